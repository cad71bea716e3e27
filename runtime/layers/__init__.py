"""Layers that torch lacks, and the values that weights start from."""
