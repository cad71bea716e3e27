"""The placed graph stage: the graph on a mesh of devices."""
