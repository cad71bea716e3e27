"""The commands of `alexc`, one file each."""
