"""Example specs, shipped with the package."""
