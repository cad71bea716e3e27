"""Training on a mesh of devices.

A placed network file describes how the network is split over the mesh (`placement`). Each process has a place on the
mesh (`mesh`) and a part of the network and of each batch (`rank`, `batch_shard`). The forward and the backward pass
move tensors between devices (`exchange`), gradients are summed (`gradient_sum`), and checkpoints hold whole tensors
(`whole_weights`).
"""
