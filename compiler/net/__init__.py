"""Stage 3: the syntax tree to a `Net`: variants and blocks are expanded, names resolved, arguments validated."""
