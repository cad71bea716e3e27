"""Tools that write files of the repository: `make generated` runs them."""
