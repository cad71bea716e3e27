"""Reads darknet's cfg files."""
