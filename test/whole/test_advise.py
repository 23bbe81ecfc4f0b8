"""Tests that `sockmalloc advise` gives the right advice about the settings for a process or for files of statistics,
and refuses other input. A test in test/server follows the advice."""
# SPDX-License-Identifier: BSD-2-Clause
import json
import re

from support import command
from support.servant import Servant, ServantCase

MIB = 1 << 20


class AdviseCase(ServantCase):
    def judge(self, *words: str | int) -> dict[str, object]:
        result = command.run("advise", "--json", *words)
        self.assertEqual((result.returncode, result.stderr), (command.DONE, ""))
        return json.loads(result.stdout)

    def rules(self, *words: str | int) -> dict[str, dict[str, object]]:
        return {one["rule"]: one for one in self.judge(*words)["advice"]}

    def fill(self, servant: Servant, size: int, times: int) -> None:
        """Sends the order `fill` to the servant `times` times. At each order the servant allocates 200 blocks of `size`
        bytes, writes to all of their pages, and keeps them."""
        for _ in range(times):
            servant.ask(f"fill {size}")


class Verdicts(AdviseCase):
    def test_worth_it(self) -> None:
        servant = self.start()
        self.fill(servant, 20_000, 1)
        judged = self.judge(servant.pid)
        self.assertTrue(judged["worth"])
        self.assertRegex(
            judged["verdict"],
            r"\AWorth it here: the pools serve 100 % of the bytes and 100 % of the calls "
            r"of 4k to \d+m, and hold (3\.9|4\.\d) MiB of \d+\.\d MiB resident\.\Z",
        )

    def test_not_worth_it(self) -> None:
        servant = self.start(SAMPLE_SMALL="1")
        for _ in range(20):
            servant.ask("small 1000")
        servant.ask("pair 5000")
        judged = self.judge(servant.pid)
        self.assertFalse(judged["worth"])
        self.assertRegex(
            judged["verdict"], r"\ANot worth it here: the pools serve 0 % of all bytes and 0 % of all calls, "
        )

    def test_pools_off(self) -> None:
        servant = self.start(DISABLE="1")
        self.assertEqual(self.judge(servant.pid)["verdict"], "Not in effect here: the pools are off.")


class Rules(AdviseCase):
    def test_each_rule_and_where_it_ends(self) -> None:
        """Each row has the name of a rule, the value that the rule advises for a setting, the saving in bytes that the
        rule promises, the servant's settings, and the orders that bring the servant into a state in which the rule
        applies. If the advice is a setting, a second servant is started with it. After the orders, the rule must not
        advise this value again."""
        for rule, value, saving, settings, orders in (
            ("just_over", "16k", 400 * 4096, {}, ["fill 16400", "fill 17000"]),
            ("just_over", "64k", 200 * 4096, {}, ["fill 65600"]),
            ("minimum", "8k", 200 * (8192 - 4600 * 17 / 16), {}, ["fill 4600"]),
            ("cache", "2m", None, {"DECAY_MS": "never"}, ["churn 60000"]),
            ("decay", "250", 200 * 300_000, {"DECAY_MS": "never"}, ["clear 300000"]),
            ("retain", "1m", 200 * 300_000 - MIB, {"DECAY_MS": "never"}, ["clear 300000"]),
            ("background", "1", 200 * 300_000, {"DECAY_MS": "1h"}, ["clear 300000"]),
            ("maximum", "64m", 0, {"MAX": "1m"}, ["churn 5000000"] * 2),
        ):
            with self.subTest(rule, value=value):
                servant = self.start(**{"DECAY_MS": "60s", **settings})
                for order in orders:
                    servant.ask(order)
                found = self.rules(servant.pid)
                self.assertIn(rule, found)
                self.assertEqual(found[rule]["value"], value)
                if saving is not None:
                    self.assertAlmostEqual(found[rule]["saving"], saving, delta=saving * 0.1)
                followed = found[rule]["lines"].split("=")
                if followed[0].startswith("SOCKMALLOC_"):
                    again = self.start(**{**settings, followed[0].removeprefix("SOCKMALLOC_"): followed[1].strip()})
                    for order in orders:
                        again.ask(order)
                    self.assertNotEqual(self.rules(again.pid).get(rule, {}).get("value"), value)

    def test_nothing_to_say(self) -> None:
        servant = self.start()
        self.fill(servant, 16_384, 2)
        result = command.run("advise", servant.pid)
        self.assertEqual(result.stdout.splitlines()[-1], "No setting would save much.")

    def test_nothing_to_say_of_what_is_little_or_free(self) -> None:
        """The rule just_over advises another setting if many requests are a little larger than a bucket. The rule must
        not apply to these two processes. In the first process, another setting could save only 0.8 MiB of 60 MiB. In
        the second one, all blocks of such requests have been freed."""
        for orders in (["fill 17000", "fill 300000"], ["fill 16384", "fill 16384", "clear 17000"]):
            servant = self.start(DECAY_MS="never")
            for order in orders:
                servant.ask(order)
            self.assertNotIn("just_over", self.rules(servant.pid))

    def test_nothing_to_say_of_untouched_pages(self) -> None:
        """The rule just_over must not apply: the servant has written to no page of its blocks, so no page is resident,
        and other buckets would save nothing."""
        servant = self.start()
        for _ in range(300):
            servant.ask("take 17000")
        self.assertNotIn("just_over", self.rules(servant.pid))


class Forms(AdviseCase):
    def test_text_and_lines(self) -> None:
        servant = self.start(DECAY_MS="never")
        servant.ask("fill 17000")
        servant.ask("clear 300000")
        text = command.run("advise", servant.pid).stdout
        self.assertLessEqual(max(map(len, text.splitlines())), 79)
        self.assertRegex(text, r"\A(Not w|W)orth it here: ")
        savings = list(map(float, re.findall(r"^ +(\d+\.\d)   ", text, re.MULTILINE)))
        self.assertEqual(savings, sorted(savings, reverse=True))
        self.assertGreaterEqual(len(savings), 2)
        lines = command.run("advise", "--apply", servant.pid).stdout.splitlines()
        self.assertEqual(lines[0][0], "#")
        self.assertIn("SOCKMALLOC_DECAY_MS=250", lines)

    def test_the_same_from_files(self) -> None:
        servant = self.start(DECAY_MS="never")
        for _ in range(5):
            servant.ask("churn 17000")
        servant.ask("fill 17000")
        servant.ask("clear 60000")
        live = self.rules(servant.pid)
        recording, dump = self.directory / "recording", self.directory / "dump"
        self.assertEqual(command.run("record", servant.pid, "-o", recording, "-n", 1).returncode, command.DONE)
        dump.write_text(command.run("stat", servant.pid, "--json").stdout)
        for file in (recording, dump):
            found = self.rules(file)
            for rule in ("decay", "just_over"):
                self.assertEqual(found[rule]["value"], live[rule]["value"])
                self.assertAlmostEqual(found[rule]["saving"], live[rule]["saving"], delta=live[rule]["saving"] * 0.1)


class Refusals(AdviseCase):
    def test_bad_words_and_files(self) -> None:
        servant = self.start()
        words = self.directory / "words"
        words.write_text("words\n")
        for line, code, said in (
            ([], command.USAGE, "neither a process nor a file"),
            ([words, servant.pid], command.USAGE, "a file excludes processes"),
            ([words, "--sample=1s"], command.USAGE, "a file excludes processes and --sample"),
            ([words, words], command.USAGE, "more than one file is given"),
            ([words], command.DAMAGED, "is no recording"),
            ([self.directory / "none"], command.DAMAGED, "can't be read: No such file"),
            ([command.ended_process()], command.GONE, "does not exist"),
            (["no-such-program"], command.GONE, "no-such-program"),
        ):
            with self.subTest(line):
                self.assert_refused(command.run("advise", *line), code, said)
