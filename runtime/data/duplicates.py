"""Finds files with the same hash in two classes or splits; on disk, for any number of images."""

from __future__ import annotations

import os
import sqlite3
from itertools import groupby


class Duplicates:
    """Files by their hash; `groups` returns those that are equal although they should differ.

    Args:
        database: an empty one, for the hashes.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE hashes (digest, place, path)")

    def add(self, digest: str, place: str, path: str) -> None:
        """Add a file, its hash in hexadecimal, and its class and split."""
        self._database.execute("INSERT INTO hashes VALUES (?, ?, ?)", (bytes.fromhex(digest), place, os.fsencode(path)))

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The paths of files with the same hash that are not all in one class and split, in the order of `add`."""
        rows = self._database.execute(
            """
            SELECT first, path
            FROM hashes
            JOIN (SELECT digest, MIN(rowid) AS first FROM hashes GROUP BY digest HAVING COUNT(DISTINCT place) > 1)
            USING (digest)
            ORDER BY first, hashes.rowid
            """
        )
        return tuple(
            tuple(os.fsdecode(path) for _, path in group) for _, group in groupby(rows, key=lambda row: row[0])
        )
