"""Pointers of Git LFS: small texts that a clone has in place of large files until `git lfs pull` gets them."""

from __future__ import annotations

START = b"version https://git-lfs.github.com/spec/"
IS_POINTER = "it is a pointer of Git LFS, not the file itself: run `git lfs pull` in its repository"
