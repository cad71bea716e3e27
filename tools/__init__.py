"""Programs that write files of the repository, most of them run by `make generated`, and the documentation site."""
