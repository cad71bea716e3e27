"""The layer kinds, one file per kind."""
