"""Exports networks and weights to other programs, and compares the result with torch before it is written."""
