"""Caffe's prototxt files: networks for training and for use, in the new form and the old, and solvers."""
