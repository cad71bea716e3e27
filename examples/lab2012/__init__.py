"""The networks of 2012, shipped with the package."""
