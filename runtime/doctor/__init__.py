"""Checks whether this machine, its disk and a store are ready for training: `alexc doctor`."""
