"""Run folders: checkpoints, metrics, and the list of runs."""
