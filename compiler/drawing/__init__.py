"""The picture of a network: a `Graph` to SVG."""
