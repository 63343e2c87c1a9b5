"""A job behind a slow import: only running it may cost the 2 seconds, never listing it."""

import time

from jobreg import job

print("slow_import: importing, this takes 2 seconds", flush=True)
time.sleep(2)


@job()
def hello(name: str = "world") -> str:
    """Greet ``name``."""
    return f"hello, {name}"
