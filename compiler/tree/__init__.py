"""Stage 2: the text to a syntax tree, and the canonical format of a spec."""
