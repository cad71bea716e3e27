"""alexc: a compiler for neural-network specifications."""
