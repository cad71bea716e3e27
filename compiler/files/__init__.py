"""The last stage: writes a graph as a Python file or as a spec."""
