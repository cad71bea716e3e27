"""A database for what would not fit in memory: it lies in the temporary folder and is gone when it is closed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from ..errors import UserError

_CACHE_KIB = 1_024


@contextmanager
def scratch_database() -> Iterator[sqlite3.Connection]:
    """An empty database that keeps some 1 MiB in memory, whatever is put in.

    Raises:
        UserError: when the temporary folder is full.
    """
    with closing(sqlite3.connect("")) as database:  # "" is a file that SQLite makes and removes by itself
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
