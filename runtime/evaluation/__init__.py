"""Evaluation of a trained network on a split, and predictions for images.

`measure` counts errors. Training uses it for validation; the other modules read the folder of a run.
"""
