"""Training on a mesh of devices: placements, exchanges, and gradients summed over ranks."""
