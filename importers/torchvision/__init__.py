"""Reads the classifiers of torchvision by tracing their modules. This is the only reader that needs torch."""

from __future__ import annotations

TORCHVISION = "torchvision:"  # before the name of a network, where a file can be named
