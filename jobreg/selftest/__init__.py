"""The soak that any user can run: workers are killed under load, and nothing may be lost."""
