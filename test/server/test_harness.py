"""Tests of the code that the server tests share: each of its checks must fail when it should."""
# SPDX-License-Identifier: BSD-2-Clause
import unittest
from unittest import mock

from harness import bodies, dump, mariadb, waiting
from harness.case import ServerCase

COLUMNS = (
    "bucket capacity live cached depot purged carved peak requests asked resident "
    "cache_hits depot_hits fell_through fell_through_asked"
).split()


def table(pid: int = 7, fell_through_asked: int = 0, **changed: int) -> str:
    """Returns the text of a dump in which only the bucket 16k was used. `changed` replaces values in that bucket's
    row."""
    used = {"live": 1, "cached": 2, "depot": 3, "purged": 4, "carved": 10, "requests": 100}
    used |= {"asked": 1_638_400, "fell_through_asked": fell_through_asked} | changed
    rows = {bucket: dict.fromkeys(COLUMNS[2:], 0) for bucket in dump.BUCKETS}
    rows["16k"] |= used
    total = {column: sum(row[column] for row in rows.values()) for column in COLUMNS[2:]}
    whole = total["asked"] + fell_through_asked
    share = 100 * total["asked"] / whole if whole else 0
    lines = [f"sockmalloc 1.0.0: statistics of nginx, process {pid}", "  ".join(COLUMNS)]
    for bucket, row in rows.items():
        lines.append(" ".join([bucket, "8192", *map(str, row.values())]))
    lines.append(" ".join(["total", "-", *map(str, total.values())]))
    lines.append(f"pools served {share:.2f} % of the bytes asked for in requests of 4 to 9 bytes")
    lines.append("configuration: SOCKMALLOC_MIN=4096")
    lines.append(f"end of statistics of process {pid}")
    return "\n".join(lines) + "\n"


class Parsing(unittest.TestCase):
    def test_reads_every_row(self) -> None:
        parsed = dump.parse(table())
        self.assertEqual((parsed.program, parsed.pid), ("nginx", 7))
        self.assertEqual(parsed.rows["16k"]["asked"], 1_638_400)
        self.assertEqual(parsed.live(), dict.fromkeys(dump.BUCKETS, 0) | {"16k": 1})
        self.assertEqual(parsed.total["carved"], 10)
        self.assertEqual(parsed.share, 100.0)

    def test_refuses_what_is_no_dump(self) -> None:
        good = table()
        cut = good.replace("end of statistics of process 7\n", "")
        other = good.replace("end of statistics of process 7", "end of statistics of process 8")
        short = good.replace("\n2m ", "\n3m ")
        words = good.replace("1638400", "1.6e6")
        nameless = good.replace("fell_through_asked", "lost")
        for text in ("", cut, other, short, words, nameless):
            with self.subTest(text=text[-60:]), self.assertRaises(dump.Malformed):
                dump.parse(text)

    def test_splits_dumps_that_were_appended(self) -> None:
        unfinished = table()[:-40]
        self.assertEqual(dump.split(table() + table() + unfinished), [table(), table()])

    def test_sees_a_ledger_that_does_not_close(self) -> None:
        self.assertEqual(dump.ledger_errors(dump.parse(table())), [])
        errors = dump.ledger_errors(dump.parse(table(live=2)))
        self.assertEqual([error.split(":")[0] for error in errors], ["16k", "total"])

    def test_sees_a_total_that_is_not_the_sum(self) -> None:
        text = table().replace("total - 1 ", "total - 2 ")
        self.assertTrue(dump.ledger_errors(dump.parse(text)))

    def test_counts_what_was_flushed(self) -> None:
        parsed = dump.parse(table(fell_through_asked=1_638_400))
        self.assertEqual(dump.served([parsed, parsed]), dump.Served(200, 3_276_800, 3_276_800))
        self.assertEqual(dump.served([parsed]).share(), 50.0)
        self.assertEqual(dump.Served(0, 0, 0).share(), 0.0)


class Assertions(ServerCase):
    """Tests that each assertion of ServerCase accepts a good dump and rejects a bad one."""

    def setUp(self) -> None:
        super().setUp()
        self.before = {7: dump.parse(table(requests=0, asked=0))}

    def after(self, **changed: int) -> dict[int, dump.Table]:
        return {7: dump.parse(table(**changed))}

    def assert_fails(self, words: str, call, *arguments) -> None:
        with self.assertRaisesRegex(AssertionError, words):
            call(*arguments)

    def test_served(self) -> None:
        self.assert_served(self.before, self.after(), 100)
        self.assert_fails("too few requests", self.assert_served, self.before, self.after(), 101)
        fell_through = self.after(fell_through_asked=200_000)
        self.assert_fails("not greater", self.assert_served, self.before, fell_through, 100)
        empty = self.before
        self.assert_fails("not greater", self.assert_served, empty, empty, 0)

    def test_ledgers(self) -> None:
        self.assert_ledgers(self.after())
        self.assert_fails("16k", self.assert_ledgers, self.after(purged=5))

    def test_live_returns(self) -> None:
        with mock.patch("harness.case.SETTLE_SECONDS", 0.05):
            with mock.patch.object(self, "dump_all", return_value=self.after()):
                self.assertEqual(self.assert_live_returns(self.before), self.after())
            leaked = self.after(live=2, carved=11)
            with mock.patch.object(self, "dump_all", return_value=leaked):
                self.assert_fails("--- after", self.assert_live_returns, self.before)
            torn = self.after(cached=9)
            with mock.patch.object(self, "dump_all", return_value=torn):
                self.assert_fails("slots are known", self.assert_live_returns, self.before)

    def test_balanced(self) -> None:
        """A dump that was written while a slot moved from one column to another is requested again. A slot that is
        really lost makes the test fail."""
        torn, whole = self.after(cached=1), self.after()
        self.assertEqual(self.dump_balanced(mock.Mock(side_effect=[torn, torn, whole])), whole)
        with mock.patch("harness.case.SETTLE_SECONDS", 0.05):
            self.assert_fails("slots are known", self.dump_balanced, lambda: torn)

    def test_live_with_slack(self) -> None:
        """Tests that a few additional live slots are accepted. The additional slots of all buckets are added up. A
        bucket that has fewer live slots than before is not subtracted from them."""
        grown = self.after(live=4, carved=13)
        with mock.patch("harness.case.SETTLE_SECONDS", 0.05):
            with mock.patch.object(self, "dump_all", return_value=grown):
                self.assertEqual(self.assert_live_returns(self.before, slack=3), grown)
                self.assert_fails("in vain", self.assert_live_returns, self.before, 0, 2)

    def test_silence(self) -> None:
        self.assert_library_silent("an ordinary line\n", "the log")
        line = "sockmalloc: process 1: free: 0x1: slot is free"
        self.assert_fails("complained", self.assert_library_silent, line, "the log")


class Repeating(unittest.TestCase):
    """A statement that InnoDB rolled back because of a deadlock is repeated. Statements that failed for another reason
    are not."""

    def client(self, *outcomes: object) -> mariadb.MariaDB:
        client = mariadb.MariaDB.__new__(mariadb.MariaDB)
        client.run = mock.Mock(side_effect=outcomes)  # type: ignore[method-assign]
        return client

    def test_repeats_after_a_deadlock(self) -> None:
        client = self.client(mariadb.Deadlock(), mariadb.Deadlock(), [])
        client.put("key", b"value")
        self.assertEqual(client.run.call_count, 3)  # type: ignore[attr-defined]

    def test_ends_at_other_errors(self) -> None:
        with self.assertRaises(mariadb.Refused):
            self.client(mariadb.Refused()).put("key", b"value")
        with self.assertRaises(mariadb.Deadlock):
            self.client(*[mariadb.Deadlock()] * (mariadb.REPEATS + 1)).drop("key")


class Comparing(unittest.TestCase):
    def test_names_the_first_wrong_byte(self) -> None:
        good = bodies.body(5000)
        self.assertEqual(bodies.difference(good, good), "")
        wrong = good[:4096] + bytes([good[4096] ^ 1]) + good[4097:]
        self.assertIn("from byte 4096 on", bodies.difference(wrong, good))
        self.assertIn("from byte 4999 on", bodies.difference(good[:-1], good))

    def test_no_page_of_a_body_is_like_another(self) -> None:
        whole = bodies.body(1 << 20)
        pages = [whole[at : at + 4096] for at in range(0, len(whole), 4096)]
        self.assertEqual(len(set(pages)), len(pages))
        self.assertNotEqual(bodies.body(8192)[:4096], bodies.body(4096))


class Waiting(unittest.TestCase):
    def test_gives_up_at_the_deadline(self) -> None:
        with self.assertRaisesRegex(waiting.TooLate, "the moon"):
            waiting.until(lambda: False, "the moon", 0.05)

    def test_returns_what_it_saw(self) -> None:
        seen = iter([0, 0, 42])
        self.assertEqual(waiting.until(lambda: next(seen), "an answer"), 42)
