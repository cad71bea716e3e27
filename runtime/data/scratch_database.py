"""A temporary database for data that would not fit in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from ..errors import UserError

_CACHE_KIB = 1_024


@contextmanager
def scratch_database() -> Iterator[sqlite3.Connection]:
    """An empty database that uses about 1 MiB of memory, for any content, and is deleted when it is closed.

    Raises:
        UserError: the temporary folder is full.
    """
    with closing(sqlite3.connect("")) as database:  # for "", SQLite creates a file and removes it itself
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        database.execute("PRAGMA temp_store = FILE")
        database.execute("PRAGMA journal_mode = OFF")
        try:
            yield database
        except sqlite3.OperationalError as error:
            raise UserError(
                f"the temporary folder cannot take the list of images ({error}): make room there, or name another "
                "one by the environment variable SQLITE_TMPDIR"
            ) from None
