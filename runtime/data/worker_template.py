"""Imported once by the process from which every worker is forked: the modules that workers need."""

from __future__ import annotations

import atexit
import os

import torch  # noqa: F401

# Unloading torch takes half a second, and readers of our output would wait for it. Workers end in another way.
atexit.register(os._exit, 0)
