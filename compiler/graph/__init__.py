"""Stage 4: a `Net` to a `Graph`, which has the shape, the parameters and the multiply-adds of every layer."""
