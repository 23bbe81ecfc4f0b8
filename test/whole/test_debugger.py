"""Tests that the gdb commands `sockmalloc slot`, `leaks` and `ledger` print the right results for a live process and
for a core file."""
# SPDX-License-Identifier: BSD-2-Clause
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support import command, formats, settings
from support.servant import Servant, ServantCase

DEADLINE_SECONDS = 300
COLUMNS = ("live", "cached", "depot", "purged", "carved")
# With this setting the library purges nothing by its age, so the figures stay the same while a test reads them.
PACE = {"DECAY_MS": "-1"}


class DebuggerCase(ServantCase):
    def setUp(self) -> None:
        super().setUp()
        if shutil.which("gdb") is None:
            self.skipTest("needs gdb")
        self.library = settings.library()

    def gdb(self, arguments: Sequence[object], *orders: str) -> list[str]:
        """Runs gdb with these arguments and then the gdb commands `orders`. Returns the output of each command,
        including its error messages."""
        words = [word for order in orders for word in ("-ex", "echo ==\\n", "-ex", order)]
        allowed = f"add-auto-load-safe-path {self.library.parent}"
        result = subprocess.run(
            ["gdb", "-nx", "-batch", "-iex", allowed, *map(str, arguments), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=command.environment({"DEBUGINFOD_URLS": ""}),
            text=True,
            errors="replace",
            timeout=DEADLINE_SECONDS,
        )
        head, *parts = result.stdout.split("==\n")
        self.assertEqual(len(parts), len(orders), result.stdout)
        if "Operation not permitted" in head:
            self.skipTest("on this machine gdb may not attach to processes")
        return parts

    def ask(self, servant: Servant, *orders: str) -> list[list[str]]:
        """Runs the gdb commands `orders` on the running servant, and then on a core file of the servant. Returns two
        lists with the output of each command: first for the running servant, and then for the core file."""
        core = self.directory / "core-file"
        live = self.gdb(["-p", servant.pid], *orders, f"generate-core-file {core}")[:-1]
        self.assertTrue(core.exists())
        return [live, self.gdb([settings.program("servant"), core], *orders)]


class Slots(DebuggerCase):
    def rows(self, text: str) -> dict[str, tuple[int, ...]]:
        head, *lines = (line.split() for line in text.splitlines())
        self.assertEqual(head, ["bucket", *COLUMNS])
        return {words[0]: tuple(map(int, words[1:])) for words in lines}

    def figures(self, process: int) -> dict[str, tuple[int, ...]]:
        rows = formats.READERS["json"](command.run("stat", "--json", process).stdout)
        return {label: tuple(row[name] for name in COLUMNS) for label, row in rows.items()}

    def test_ledger_has_the_figures_of_stat(self) -> None:
        for kind in ("thread", "lockfree", "standard", "cpu"):
            with self.subTest(kind):
                servant = self.start(POOL=kind, FREE_LIST="150", **PACE)
                for order in ("take 5000", "churn 5000", "churn 5000", "churn 300000", "take 100000", "churn 70000"):
                    servant.ask(order)
                figures = self.figures(servant.pid)
                for ledger, refused in self.ask(servant, "sockmalloc ledger", "sockmalloc ledger all"):
                    rows = self.rows(ledger)
                    self.assertEqual(rows.pop("total"), tuple(map(sum, zip(*rows.values()))))
                    self.assertEqual(rows, {label: figures[label] for label in rows}, kind)
                    self.assertGreater(rows["4k"][0], 0)
                    self.assertEqual(refused, "sockmalloc ledger takes no argument\n")

    def judge_slots(self, servant: Servant, place: str) -> None:
        """Checks the output of the gdb command `sockmalloc slot` for a slot in use, for a freed slot, which must lie in
        `place`, and for addresses outside of slots."""
        live = int(servant.ask("hold 5000"))
        for _ in range(3):
            servant.ask("churn 9000")
        freed = int(servant.ask("hold 9000"))
        servant.ask(f"drop {freed}")
        orders = (f"{live}", f"(char *){live} + 17", f"{freed}", f"{live} + 0x1000000", "&main", "", "nothing", "-1")
        for answers in self.ask(servant, *(f"sockmalloc slot {order}" for order in orders)):
            head = rf"slot     \d+ of bucket 4k, {live:#x} to 0x\w+\nstate    live\nrequest  5000 bytes\n\Z"
            self.assertRegex(answers[0], rf"\Aaddress  {live:#x}: the start of a slot\n{head}")
            self.assertRegex(answers[1], rf"\Aaddress  {live + 17:#x}: 17 bytes into a slot\n{head}")
            self.assertRegex(answers[2], rf"\Aaddress  {freed:#x}: the start of a slot\nslot     \d+ of bucket 8k, .*")
            self.assertRegex(answers[2], rf"\nstate    \w+\nrequest  9000 bytes, the last one\nlies in  {place}\n\Z")
            outside = r"\A0x\w+ lies outside the pools: [^\n]+\n\Z"
            faults = (r"\A(0x\w+ lies in the range of the pools, but in no slot|0x\w+ lies outside the pools: .*)\n\Z",
                      outside, r"\Asockmalloc slot needs an argument; .*\n\Z", r"\Anothing is not an address\n\Z",
                      outside)
            for answer, fault in zip(answers[3:], faults):
                self.assertRegex(answer, fault)

    def test_are_found_by_any_address(self) -> None:
        thread = r" \(thread 1, LWP \d+\)"
        for place, variables in (
            (rf"thread cache 0({thread})?, private magazine", {"POOL": "thread"}),
            (r"the cache of processor \d+, private magazine|the (depot|stack of free slots)", {"POOL": "cpu"}),
            ("the stack of free slots", {"POOL": "standard"}),
            ("the stack of purged slots", {"POOL": "standard", "FREE_LIST": "0"}),
        ):
            with self.subTest(place):
                self.judge_slots(self.start(**variables, **PACE), f"({place})")

    def test_are_found_with_a_stripped_library(self) -> None:
        self.library = self.directory / settings.library().name
        subprocess.run(["strip", "-o", self.library, settings.library()], check=True)
        # gdb loads a Python file whose name is the library's file name followed by -gdb.py. If the library's name is a
        # symbolic link, gdb uses the name of the file to which the link leads.
        shutil.copy(f"{settings.library().resolve()}-gdb.py", f"{self.library}-gdb.py")
        servant = self.start(others={"LD_PRELOAD": str(self.library)}, **PACE)
        self.judge_slots(servant, "thread cache 0, private magazine")

    def test_in_the_depot_and_new_ones_are_found(self) -> None:
        servant = self.start(**PACE)
        for _ in range(8):
            servant.ask("churn 5000")
        slots = "for n in range(1, pools.front) if pools.states[n] & 0x10 and pools.states[n] & 0xc0 != 0x40"
        # This gdb command prints where each free slot is. It calls functions of the Python file that defines the gdb
        # commands of sockmalloc.
        order = f"python pools = Pools(View()); print([pools.where(Slot(pools, n)) {slots}])"
        found = set(re.findall(r"'([^']*)'", re.sub(r" \(thread[^)]*\)", "", self.gdb(["-p", servant.pid], order)[0])))
        cache = {f"thread cache 0, {name}" for name in ("private magazine", "public magazine")}
        self.assertEqual(found - {"thread cache 0, new slots that were carved for it"}, cache | {"the depot"})


class Leaks(DebuggerCase):
    def test_name_the_callers_with_the_oldest_first(self) -> None:
        servant = self.start(POOL="standard", IN_USE="1", **PACE)
        held = [int(servant.ask(f"hold {size}")) for size in (5000, 100000)]
        servant.ask("take 9000")
        servant.ask("churn 5000")
        answers = self.ask(servant, "sockmalloc leaks", f"sockmalloc slot {held[0]}")
        # In a core file the present time is unknown, so the commands print the least age that a slot can have.
        for kind, (leaks, slot) in zip(("", "at least "), answers):
            by = r"by (?:hold|main) \+ \d+(?: at \S+servant\.c:\d+)?"
            lines = [rf"{by}: slots 2, bytes 105000, oldest {kind}\d+\.\d{{3}} s",
                     rf"  {held[0]:#x}  4k +5000 bytes +{kind}.* s",
                     rf"  {held[1]:#x}  128k +100000 bytes +{kind}.* s",
                     rf"{by.replace('hold', 'take')}: slots 1, bytes 9000, .*",
                     r"  0x\w+  8k +9000 bytes .*", "in use: slots 3, bytes 114000"]
            self.assertRegex(leaks, "\\A" + "\n".join(lines) + "\n\\Z")
            self.assertRegex(slot, rf"\nage      {kind}\d+\.\d{{3}} s\ncaller   {by[3:]}\n\Z")

    def test_are_counted_by_bucket_without_callers(self) -> None:
        servant = self.start(**PACE)
        held = int(servant.ask("hold 5000"))
        servant.ask("take 5001")
        for (leaks,) in self.ask(servant, "sockmalloc leaks"):
            rows = rf"bucket [^\n]*\n4k +2 +10001  {held:#x}\nin use: slots 2, bytes 10001\n"
            self.assertRegex(leaks, rf"\ASOCKMALLOC_IN_USE is not set[^\n]*\n{rows}\Z")


class Messages(DebuggerCase):
    def test_are_kept_although_stderr_was_closed(self) -> None:
        servant = self.start(POOOL="3", BACKROUND="1")
        servant.ask("close-stderr")
        for (messages,) in self.ask(servant, "sockmalloc messages"):
            lines = messages.splitlines()
            self.assertEqual(len(lines), 2)
            self.assertRegex(messages, rf"sockmalloc: servant\[{servant.pid}\]: SOCKMALLOC_POOOL: no such setting; .*")


class Refusals(DebuggerCase):
    def test_are_one_line(self) -> None:
        arguments = [settings.program("servant"), "-ex", f"source {self.library.resolve()}-gdb.py"]
        self.assertEqual(self.gdb(arguments, "sockmalloc leaks"), ["this program has not loaded sockmalloc\n"])
        off = self.start(DISABLE="1")
        forged = "set var *(unsigned *)((char *)&sockmalloc_view + 16) = 1"
        young = "set var *(unsigned *)((char *)&sockmalloc_view + 44) = 0"
        answers = self.gdb(["-p", off.pid], "sockmalloc slot 1", young, "sockmalloc leaks", forged, "sockmalloc ledger",
                           "help sockmalloc")
        self.assertEqual(answers[0], "the pools of this program are off\n")
        self.assertEqual(answers[2], "sockmalloc has not started yet in this program\n")
        other = "the program has sockmalloc's tables in version 1, and these commands read version 2\n"
        self.assertEqual(answers[4], other)
        self.assertIn("sockmalloc slot ADDRESS", answers[5])


class Installation(DebuggerCase):
    def test_gdb_names_the_line_that_allows_the_commands(self) -> None:
        servant = self.start()
        result = subprocess.run(["gdb", "-nx", "-batch", "-p", str(servant.pid)], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=DEADLINE_SECONDS)
        script = Path(f"{self.library.resolve()}-gdb.py")
        self.assertIn(f"add-auto-load-safe-path {script}", result.stdout + result.stderr)
