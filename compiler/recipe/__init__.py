"""The steps of a training recipe: the arguments of each statement of a `train` block."""
