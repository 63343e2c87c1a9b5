DELETE
FROM jobreg_tokens
WHERE jobreg_tokens.digest = :of_digest;
