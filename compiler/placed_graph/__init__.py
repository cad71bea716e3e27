"""The fifth stage: the graph on a mesh of devices."""
