"""What programs are shown as JSON, beside runs: the same by the command line and over HTTP."""
