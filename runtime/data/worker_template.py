"""Imported once by the process from which every worker is forked: the modules that workers need."""

from __future__ import annotations

import atexit
import gc
import os

gc.disable()  # collections in the middle of the import of torch take a fifth of its time

import torch  # noqa: E402, F401

from . import shards  # noqa: E402, F401

gc.freeze()  # a collection in a worker would write to the memory that all share
gc.enable()

# Unloading torch takes half a second, and readers of our output would wait for it. Workers end in another way.
atexit.register(os._exit, 0)
