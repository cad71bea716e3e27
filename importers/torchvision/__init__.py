"""Reads the classifiers of torchvision by tracing their modules. This is the only reader that needs torch."""
