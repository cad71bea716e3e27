"""The graph stage: every layer with its shapes and counts."""
