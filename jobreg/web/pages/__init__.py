"""The dashboard: pages that work without script, and change by themselves with it."""
