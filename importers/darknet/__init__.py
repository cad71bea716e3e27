"""Networks of darknet, from its cfg files."""
