"""The folder of a run: its checkpoints, its metrics, and the list of all runs.

`run_folder` names the files of a run. Training writes them, and evaluation, reports and exports read them.
"""
