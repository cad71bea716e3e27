"""Imported once by the process that every worker is a copy of: what workers need, and how that process ends."""

from __future__ import annotations

import atexit
import os

import torch  # noqa: F401

# To take torch apart takes half a second, for which whoever reads what we print would wait. Workers end otherwise.
atexit.register(os._exit, 0)
