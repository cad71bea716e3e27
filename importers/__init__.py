"""Networks that were written for other programs, read into specs."""
