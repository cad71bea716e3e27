"""Layers that torch lacks, and the distributions of initial values. Generated files import both."""
