"""The layer kinds, one file per kind. Each gives its arguments, its output shape, its weights and its PyTorch code."""
