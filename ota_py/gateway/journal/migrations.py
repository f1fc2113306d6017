"""The migrations of the journal's schema since its first version, one step for each level.

After an upgrade that is taken back the older software must read the journal again. So a step only adds: a
table, or a column that may be NULL; nothing is renamed, removed or given another meaning. Software that knows
fewer levels ignores what it does not know. A change that it could not live with raises
`schema.SCHEMA_VERSION` instead, and is then refused by everything older.
"""

from __future__ import annotations

import sqlite3

from ota_py.gateway.system import failpoints

LEVEL_KEY = "schema_level"

# Level 1 is `schema.SCHEMA`. Never change a step that was released.
STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE upgrades (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            version TEXT NOT NULL,
            from_name TEXT NOT NULL,
            transaction_id TEXT NOT NULL,
            state TEXT NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            proved_at TEXT,
            reason TEXT NOT NULL DEFAULT '',
            created_at TEXT NOT NULL,
            finished_at TEXT
        ) STRICT
        """,
    ),
)
LEVEL = 1 + len(STEPS)


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Add the steps that a journal lacks, all or nothing; a journal of a higher level stays as it is.

    Args:
        connection: in autocommit mode, outside a transaction.
    """
    if level(connection) >= LEVEL:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have been first.
        for step in STEPS[level(connection) - 1 :]:
            for statement in step:
                connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (LEVEL_KEY, str(LEVEL)))
        failpoints.reach("journal.migrate.before")
        connection.execute("COMMIT")
        failpoints.reach("journal.migrate.after")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def level(connection: sqlite3.Connection) -> int:
    """The schema level of a journal."""
    row = connection.execute("SELECT value FROM facts WHERE key = ?", (LEVEL_KEY,)).fetchone()
    return int(row[0]) if row else 1
