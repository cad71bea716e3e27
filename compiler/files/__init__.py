"""Stage 6: a graph to a Python file with a PyTorch module, or back to a spec."""
