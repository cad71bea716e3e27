"""Reads Caffe's prototxt files: nets for training, nets for deployment, and solvers, in the new and the old format."""
