"""The flagship spec, shipped with the package."""
