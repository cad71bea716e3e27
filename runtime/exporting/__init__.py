"""Networks and their weights written for other programs."""
