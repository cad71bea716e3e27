"""The steps of `augment`, one file each, named after its keyword.

A new augmentation is one file here and one in runtime/augmentations.
"""
