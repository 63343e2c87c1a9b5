SELECT jobreg_tokens.digest, jobreg_tokens.`role`, jobreg_tokens.created_at
FROM jobreg_tokens
ORDER BY jobreg_tokens.created_at, jobreg_tokens.digest;
