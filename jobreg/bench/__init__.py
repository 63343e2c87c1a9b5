"""The short table of figures on a user's own database, beside what its plain driver can do."""
