"""Stage 5: a `Graph` and a placement to a `PlacedGraph`: what each device computes, and what devices exchange."""
