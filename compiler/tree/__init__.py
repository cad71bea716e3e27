"""The second stage: text to a syntax tree, and the canonical format."""
