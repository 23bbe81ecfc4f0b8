"""Tests the settings in the environment: what each of them does, the message about a bad value, and that
SOCKMALLOC_STRICT turns such a message into an error."""
# SPDX-License-Identifier: BSD-2-Clause
import subprocess

from support import settings
from support.servant import Servant, ServantCase

PATHS = "an absolute path of fewer than 512 bytes"

DEFAULTS = {
    "MIN": "4k",
    "MAX": "4m",  # settings.MAXIMUM sets this variable in every process that the tests start
    "LARGE": "85000",
    "HEADROOM": "4k",
    "POOL": "thread",
    "TRAINING": "1",
    "CACHE": "auto",
    "RETAIN": "none",
    "LARGE_RETAIN": "none",
    "DECAY_MS": "250",
    "BACKGROUND": "0",
    "THP": "never",
    "FORK_TRIM": "0",
    "PRESSURE": "1",
    "AUTO_THREADS": "8",
    "FREE_LIST": "1024",
    "IN_USE": "0",
    "PROFILE": "",
    "MESSAGE": "none",
    "DEEPBIND": "0",
    "DISABLE": "0",
    "STRICT": "0",
    "CONTROL": "0",
    "VERBOSE": "0",
    "SIGNAL": "SIGUSR1",
    "STATS": "",
    "STATS_AT_EXIT": "0",
    "FORMAT": "text",
    "SAMPLE_SMALL": "0",
}

POOLS = "thread, lockfree, standard, cpu or auto"

# Each row: a variable, a bad value of it, the words in the message that say which values are right, and the value that
# the library uses instead.
BAD = [
    *(
        ("MIN", value, "a size from 2k to 64m", "4096")
        for value in ("", "0", "x", "4096x", "4kk", "-1", "+1", " 1", "1 ", "65m", "0x1000", "1.5m", "9" * 20)
    ),
    *(("MAX", value, "a size from 4k to 64m", "32m") for value in ("", "4095", "65m", "all")),
    *(("LARGE", value, "a size from 4k to 1g", "85000") for value in ("1", "2g", "large")),
    *(("HEADROOM", value, "a size from 0 to 1m", "4096") for value in ("", "2m", "one page")),
    *(("POOL", value, POOLS, "thread") for value in ("", "threads", "THREAD", "0", "cpu,thread", "thread ")),
    *(("TRAINING", value, "0, 1, no, yes, off, on, false or true", "1") for value in ("", "2", "frozen")),
    *(("CACHE", value, "a size from 0 to 1024g, or auto", "auto") for value in ("", "none", "-1", "1025g", "4 m")),
    *(("RETAIN", value, "a size from 0 to 1024g, or none", "none") for value in ("", "auto", "-1", "1025g")),
    *(("BACKGROUND", value, "0, 1, no, yes, off, on, false or true", "0") for value in ("", "2", "always")),
    *(("LARGE_RETAIN", value, "a size from 0 to 1024g, or none", "none") for value in ("", "auto", "-1", "1025g")),
    *(("THP", value, "never or always", "never") for value in ("", "1", "sometimes", "Always")),
    *(("FORK_TRIM", value, "0, 1, no, yes, off, on, false or true", "0") for value in ("", "2", "always")),
    *(("PRESSURE", value, "0, 1, no, yes, off, on, false or true", "1") for value in ("", "2", "never")),
    *(("AUTO_THREADS", value, "a number from 1 to 32768", "8") for value in ("", "0", "32769", "many")),
    *(
        ("DECAY_MS", value, "milliseconds from 0 to 86400000, a time such as 2s, or never", "250")
        for value in ("", "-2", "1k", "86400001")
    ),
    *(("FREE_LIST", value, "a number from 0 to 16777216", "1024") for value in ("", "-1", "16777217", "none")),
    *(("IN_USE", value, "0, 1, no, yes, off, on, false or true", "0") for value in ("", "2", "list")),
    *(("PROFILE", value, PATHS, "none") for value in ("profile", "~/x", "/" + "x" * 511)),
    *(
        ("MESSAGE", value, "two sizes from 16 to 2k as LOW-HIGH, or none", "none")
        for value in (
            *("", "128", "128-", "-2k", "2k-128", "15-2k", "16-2049", "0", "1-2-3", "128 - 2048"),
            "9" * 20 + "-1",
        )
    ),
    *(("DEEPBIND", value, "0, 1, no, yes, off, on, false or true", "0") for value in ("", "2", "keep")),
    *(("DISABLE", value, "0, 1, no, yes, off, on, false or true", "0") for value in ("", "2", "True", "ON", "01")),
    ("CONTROL", "all", "0, 1, no, yes, off, on, false or true", "0"),
    ("STRICT", "maybe", "0, 1, no, yes, off, on, false or true", "0"),
    *(("SAMPLE_SMALL", value, "0, 1, no, yes, off, on, false or true", "0") for value in ("", "2", "all")),
    ("VERBOSE", "-", "0, 1, no, yes, off, on, false or true", "0"),
    ("STATS_AT_EXIT", "always", "0, 1, no, yes, off, on, false or true", "0"),
    *(("FORMAT", value, "text, json or prometheus", "text") for value in ("", "JSON", "xml", "1", "text ")),
    *(
        ("SIGNAL", value, "a signal that a program can catch, or off", "SIGUSR1")
        for value in (
            *("", "KILL", "SIGSTOP", "9", "SEGV", "11", "65", "-10", "SIGNOTHING", "RTMIN-1", "RTMAX+1", "RTMIN+99"),
        )
    ),
    *(("STATS", value, PATHS, "none") for value in ("statistics", "./x", "/" + "x" * 511)),
]  # fmt: skip


def line(servant: Servant, message: str) -> str:
    return f"sockmalloc: servant[{servant.pid}]: {message}\n"


def configuration(**changed: str) -> str:
    return " ".join(f"SOCKMALLOC_{name}={value}" for name, value in (DEFAULTS | changed).items())


class Quiet(ServantCase):
    def test_nothing_is_said_without_settings(self) -> None:
        servant = self.start()
        self.assertEqual(servant.ask("active"), "1")
        self.assert_ends_well(servant)

    def test_nothing_is_said_of_good_settings(self) -> None:
        good = {"MIN": "8k", "MAX": "1M", "LARGE": "128K", "HEADROOM": "0", "DISABLE": "no", "STRICT": "yes"}
        good |= {"POOL": "standard", "IN_USE": "yes", "FREE_LIST": "0", "TRAINING": "no", "CACHE": "0"}
        good |= {"RETAIN": "none", "AUTO_THREADS": "32768", "PROFILE": "/nowhere/profile"}
        servant = self.start(**good, SIGNAL="sigusr1".upper(), STATS="/nowhere/%p", STATS_AT_EXIT="off")
        self.assertEqual(servant.ask("active"), "1")
        self.assert_ends_well(servant)


class Sources(ServantCase):
    """Tests settings that come in one variable, SOCKMALLOC_CONF, or in the file /etc/sockmalloc.conf. For the file, the
    program runs in a mount namespace of its own, in which the test's directory is mounted on /etc."""

    def verbose(self, *command: str, **variables: str) -> str:
        """Runs the program `true`, with the words `command` in front of it on the command line and with
        SOCKMALLOC_VERBOSE=1. Returns what the library prints on stderr."""
        done = subprocess.run([*command, settings.tool("true")], capture_output=True, text=True, check=True,
                              env={**settings.environment({"SOCKMALLOC_VERBOSE": "1", **variables})})
        return done.stderr

    def test_one_string(self) -> None:
        said = self.verbose(SOCKMALLOC_CONF="pool=cpu,decay-ms=77,min=8k", SOCKMALLOC_MIN="16k")
        for setting in ("POOL=cpu", "DECAY_MS=77", "MIN=16k"):
            self.assertIn(f" SOCKMALLOC_{setting} ", said)

    def test_strict_counts_its_faults(self) -> None:
        servant = self.start_doomed(CONF="nothing=1", STRICT="1")
        self.assertEqual(servant.wait(), 78)

    def test_the_file(self) -> None:
        (self.directory / "sockmalloc.conf").write_text("pool=cpu # for all servers here\ndecay_ms=77\n")
        mount = f'{settings.tool("mount")} --bind {self.directory} /etc && exec "$@"'
        inside = (settings.tool("unshare"), "--mount", "--propagation", "private", "sh", "-c", mount, "sh")
        if subprocess.run([*inside, "true"], capture_output=True).returncode != 0:
            self.skipTest("needs root, to mount a folder over /etc")
        said = self.verbose(*inside, "env", f"LD_PRELOAD={settings.library()}", SOCKMALLOC_CONF="pool=standard",
                            LD_PRELOAD="")
        self.assertIn(" SOCKMALLOC_POOL=standard ", said)
        self.assertIn(" SOCKMALLOC_DECAY_MS=77 ", said)


class Bad(ServantCase):
    def test_value_is_replaced_by_its_default(self) -> None:
        for name, value, wanted, used in BAD:
            with self.subTest(f"{name}={value}"):
                servant = self.start(**{name: value})
                self.assertEqual(servant.ask("take 4096"), "pools")
                message = f"SOCKMALLOC_{name}={value}: not {wanted}; using {used}"
                self.assert_ends_well(servant, line(servant, message))

    def test_other_faults(self) -> None:
        """The library reports unknown settings, settings that an earlier version had, and settings that contradict each
        other."""
        removed = "this setting was removed and has no effect; use sockmalloc stat --interval, or sockmalloc record"
        for changed, message in (
            ({"MAXIMUM": "4m"}, "SOCKMALLOC_MAXIMUM: no such setting; ignored"),
            ({"STATS_INTERVAL": "1"}, f"SOCKMALLOC_STATS_INTERVAL: {removed}"),
            (
                {"THP": "auto"},
                "SOCKMALLOC_THP=auto: this value was removed; use SOCKMALLOC_THP=never, which does what auto did",
            ),
            (
                {"MIN": "64k", "MAX": "16k"},
                "SOCKMALLOC_MIN=64k contradicts SOCKMALLOC_MAX=16k; using the default of both",
            ),
        ):
            with self.subTest(message):
                servant = self.start(**changed)
                self.assertEqual([servant.ask(f"take {size}") for size in (4096, 4194304)], ["pools"] * 2)
                self.assert_ends_well(servant, line(servant, message))

    def test_each_fault_has_its_line(self) -> None:
        servant = self.start(MIN="x", MAX="y", FOO="1")
        wanted = [
            line(servant, "SOCKMALLOC_MIN=x: not a size from 2k to 64m; using 4096"),
            line(servant, "SOCKMALLOC_MAX=y: not a size from 4k to 64m; using 32m"),
            line(servant, "SOCKMALLOC_FOO: no such setting; ignored"),
        ]
        self.assert_ends_well(servant, "".join(wanted))

    def test_strict_refuses_to_run(self) -> None:
        faults = {
            "MIN": ("x", "SOCKMALLOC_MIN=x: not a size from 2k to 64m; using 4096"),
            "FOO": ("1", "SOCKMALLOC_FOO: no such setting; ignored"),
            "MAX": ("4k", "SOCKMALLOC_MIN=8k contradicts SOCKMALLOC_MAX=4k; using the default of both"),
        }
        for name, (value, message) in faults.items():
            with self.subTest(name):
                other = {"MIN": "8k"} if name == "MAX" else {}
                servant = self.start_doomed(STRICT="1", **{name: value}, **other)
                self.assertEqual(servant.wait(), 78)
                last = line(servant, "SOCKMALLOC_STRICT=1: refusing to run with the setting above")
                self.assertEqual(servant.stderr(), line(servant, message) + last)

    def test_strict_lets_good_settings_pass(self) -> None:
        servant = self.start(STRICT="1", MIN="8k")
        self.assertEqual(servant.ask("take 8192"), "pools")
        self.assert_ends_well(servant)


class InForce(ServantCase):
    def test_minimum_and_maximum(self) -> None:
        servant = self.start(MIN="16k", MAX="64k")
        for size, whose in ((16383, "mimalloc"), (16384, "pools"), (65536, "pools"), (65537, "mimalloc")):
            self.assertEqual(servant.ask(f"take {size}"), whose, size)
        self.assert_ends_well(servant)

    def test_headroom(self) -> None:
        """Headroom is room in each slot beyond the power of two after which the bucket is named. So a request of 16385
        bytes goes to the bucket 16k if there is headroom of at least one byte, and else to the bucket 32k."""
        for headroom, bucket in (("4k", "16k"), ("0", "32k"), ("1", "16k")):
            with self.subTest(headroom):
                servant = self.start(HEADROOM=headroom)
                self.assertEqual(servant.ask("take 16385"), "pools")
                self.assertEqual(servant.ask(f"figure {bucket}.live"), "1")
                self.assert_ends_well(servant)

    def test_large(self) -> None:
        """SOCKMALLOC_LARGE is the limit between two kinds of buckets. In a bucket below the limit, the library carves
        (cuts off) several new slots at once for a thread's cache. The buckets above it belong to the large pool, and
        the library carves one slot of them at a time."""
        for large, size, carves_one in (("85000", 65536, False), ("64k", 65536, True), ("1g", 262144, False)):
            with self.subTest(large):
                servant = self.start(LARGE=large, POOL="thread", TRAINING="off")
                self.assertEqual(servant.ask(f"take {size}"), "pools")
                self.assertEqual(servant.ask("figure carved") == "1", carves_one)
                self.assert_ends_well(servant)

    def test_disable(self) -> None:
        for value in ("1", "on", "yes"):
            with self.subTest(value):
                servant = self.start(DISABLE=value)
                self.assertEqual(servant.ask("active"), "0")
                self.assertEqual(servant.ask("take 16384"), "mimalloc")
                self.assertEqual(servant.ask("figure requests"), "0")
                self.assert_ends_well(servant)

    def test_verbose(self) -> None:
        servant = self.start(VERBOSE="1")
        self.assert_ends_well(servant, line(servant, configuration(VERBOSE="1")))

    def test_verbose_echoes_what_is_in_force(self) -> None:
        given = {"MIN": "8192", "MAX": "1048576", "LARGE": "131072", "HEADROOM": "1", "VERBOSE": "yes"}
        given |= {"POOL": "standard", "IN_USE": "on", "TRAINING": "off", "CACHE": "2097152", "RETAIN": "0"}
        given |= {"AUTO_THREADS": "4", "FREE_LIST": "1000", "PROFILE": "/nowhere/profile"}
        servant = self.start(**given, SIGNAL="12", STATS="/nowhere/%p", STATS_AT_EXIT="no", STRICT="on")
        in_force = {"MIN": "8k", "MAX": "1m", "LARGE": "128k", "HEADROOM": "1", "VERBOSE": "1"}
        in_force |= {"POOL": "standard", "IN_USE": "1", "TRAINING": "0", "CACHE": "2m", "RETAIN": "0"}
        in_force |= {"AUTO_THREADS": "4", "FREE_LIST": "1000", "PROFILE": "/nowhere/profile"}
        echo = configuration(**in_force, SIGNAL="SIGUSR2", STATS="/nowhere/%p", STRICT="1")
        self.assert_ends_well(servant, line(servant, echo))
