"""A connection to PostgreSQL, which uses Debian's python3-psycopg2 and stores values under keys in a table of the
server."""
# SPDX-License-Identifier: BSD-2-Clause
import select

import psycopg2

TIMEOUT_SECONDS = 30
USER = "tester"

TABLE = "CREATE TABLE IF NOT EXISTS store (key text PRIMARY KEY, value bytea)"
PUT = "INSERT INTO store VALUES (%s, %s)"
GET = "SELECT value FROM store WHERE key = %s"
DROP = "DELETE FROM store WHERE key = %s"

Refused = psycopg2.Error


class Postgres:
    """A connection to PostgreSQL. Each statement is a transaction of its own."""

    def __init__(self, port: int) -> None:
        self._connection = psycopg2.connect(
            host="127.0.0.1", port=port, user=USER, dbname="postgres", connect_timeout=TIMEOUT_SECONDS
        )
        self._connection.autocommit = True

    def close(self) -> None:
        self._connection.close()

    def run(self, statement: str, *parameters: str | bytes) -> list[tuple[memoryview, ...]]:
        """Runs the statement, and returns its rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def put(self, key: str, value: bytes) -> None:
        self.run(PUT, key, value)

    def get(self, key: str) -> bytes | None:
        rows = self.run(GET, key)
        return bytes(rows[0][0]) if rows else None

    def drop(self, key: str) -> None:
        self.run(DROP, key)

    def notification(self) -> str:
        """Waits for a notification from another connection, and returns the name of its channel."""
        while not self._connection.notifies:
            if not select.select([self._connection], [], [], TIMEOUT_SECONDS)[0]:
                raise AssertionError("no notification came")
            self._connection.poll()
        return self._connection.notifies.pop(0).channel
