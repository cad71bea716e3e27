"""How well a trained network does, and what it says of an image."""
