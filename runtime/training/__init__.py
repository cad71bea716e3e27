"""The training loop, what it moves the weights by, and the run's folder that it writes."""
