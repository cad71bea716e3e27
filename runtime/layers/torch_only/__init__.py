"""Layers in a form that needs torch alone.

Those of the same names in `layers` add meshes and kernels.
`alexc compile --standalone` copies the definitions that a network uses, from here and
from `layers`, into its file.
"""
