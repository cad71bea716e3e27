"""Reads the layer files and the parameter files of cuda-convnet and cuda-convnet2."""
