"""The fourth stage: every layer with its shape and counts."""
