"""Tools that write generated files of the repository. `make generated` runs them."""
