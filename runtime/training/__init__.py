"""Trains a network by the recipe in its file.

`command` runs a whole training. `set_up` turns the options into a `Trainer`: `plan` checks them against the network
file, the run and the data, `model` builds the network with its optimiser, and `resume` finds the run to continue.
`trainer` is the training loop. `launch` starts one process for each device of a placement.
"""
