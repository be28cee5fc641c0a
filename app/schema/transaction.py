"""A write to one of the SQLite files in the data folder: whole, or not at all."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything in the block is written at its end, and nothing of it if it fails; of two writers, in any process, one waits.

    For connections opened with `isolation_level=None`, which begin no transactions of their own.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls some faults back itself
            connection.execute("ROLLBACK")
        raise
