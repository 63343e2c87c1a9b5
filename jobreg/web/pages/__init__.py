"""The dashboard: pages made on the server, which work without a script."""
