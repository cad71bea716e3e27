"""From the text of a `.net` file to a Python file. Imports no torch."""
