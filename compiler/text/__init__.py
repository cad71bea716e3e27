"""Stage 1: a file to the text of a spec, and the diagnostics that point into this text."""
