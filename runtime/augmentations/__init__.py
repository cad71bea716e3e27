"""Augmentations, one file each: what a recipe says of it, what it draws, and how that changes a view.

A new augmentation is one file here and one in compiler/recipe/augmentations, both named after its keyword.
"""
