"""The kinds of layer, one file each."""
