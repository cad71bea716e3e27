"""The last stage: a graph as a Python file, or as a spec."""
