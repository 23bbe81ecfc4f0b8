"""Makes a test of each case that a C or C++ program of test/whole lists."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import signal
import subprocess
import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from . import settings, statistics

DEADLINE_SECONDS = 300


@dataclass(frozen=True)
class Run:
    """Says how one case is run, and how many dumps of statistics the case must write to stderr."""

    # Distinguishes the runs of one case in the names of the tests.
    label: str = ""
    # Environment variables by their full names.
    variables: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    # Words that stand before the program on the command line, such as a prlimit command. The commands that these words
    # name run without the library.
    wrapper: Sequence[str] = ()
    # How many dumps of statistics the case must write to stderr. The case must write nothing else to stderr.
    dumps: int = 0
    # True if no thread allocates or frees while the case writes its dumps, so that the counts in each dump must add up.
    at_rest: bool = True


Runs = Mapping[str, Sequence[Run]]


@dataclass(frozen=True)
class Outcome:
    status: int
    stdout: str
    stderr: str


def outcome_of(command: Sequence[str | os.PathLike[str]], environment: Mapping[str, str]) -> Outcome:
    """Runs a command until it ends, and returns its exit status and its output. If the command runs for longer than
    DEADLINE_SECONDS, kills the command and its process group."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        stderr += f"(not done after {DEADLINE_SECONDS} s)\n"
    return Outcome(process.returncode, stdout, stderr)


def wrapped(command: Sequence[str | os.PathLike[str]], run: Run) -> list[str | os.PathLike[str]]:
    """Returns the command line with the wrapper of `run` in front. Between the wrapper and the command stands `env`,
    which sets the variables of `run` and LD_PRELOAD. So the wrapper itself runs without the library."""
    if not run.wrapper:
        return list(command)
    variables = [f"{name}={value}" for name, value in settings.environment(run.variables).items()]
    return [*run.wrapper, settings.tool("env"), "-i", *variables, *command]


def run_case(program: str, case: str, run: Run) -> Outcome:
    command = wrapped([settings.program(program), case, *run.arguments], run)
    bare = {"PATH": os.environ.get("PATH", "")}
    return outcome_of(command, bare if run.wrapper else settings.environment(run.variables))


class CaseTest(unittest.TestCase):
    """Runs one case in a process of its own. The process must end with status 0, and write nothing to stderr but the
    expected dumps."""

    maxDiff = None

    def __init__(self, program: str, case: str, run: Run) -> None:
        super().__init__("run_it")
        self._program, self._case, self._run = program, case, run

    def id(self) -> str:
        label = f" {self._run.label}" if self._run.label else ""
        return f"{self._program} {self._case}{label}"

    __str__ = id

    def run_it(self) -> None:
        outcome = run_case(self._program, self._case, self._run)
        self.assertEqual(outcome.status, 0, outcome.stderr)
        self.assertEqual(outcome.stdout, "")
        if self._run.dumps == 0:
            self.assertEqual(outcome.stderr, "")
        for table in statistics.tables(outcome.stderr, self._run.dumps, at_rest=self._run.at_rest):
            self.assertEqual(table.program, self._program)


def _listed(program: str) -> list[str]:
    command = [settings.program(program), "--list"]
    cases = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    if not cases:
        raise settings.Missing(f"{program} lists no case")
    return cases


def _suite(program: str, runs: Runs) -> unittest.TestSuite:
    suite = unittest.TestSuite()
    cases = _listed(program)
    unknown = set(runs) - set(cases)
    if unknown:
        raise settings.Missing(f"{program} has no case {', '.join(sorted(unknown))}")
    for case in cases:
        for run in runs.get(case, [Run()]):
            suite.addTest(CaseTest(program, case, run))
    return suite


def loader(programs: Mapping[str, Runs]) -> Callable[..., unittest.TestSuite]:
    """Returns a function load_tests for a test module. unittest calls this function, which adds every case of these
    programs to the tests of the module. For each program, `programs` maps the name of a case to a list of runs: how
    often and with which settings the case is run. A case that is not in the map is run once and must write nothing to
    stderr. A case with an empty list is not run."""

    def load_tests(_loader: object, tests: unittest.TestSuite, _pattern: object) -> unittest.TestSuite:
        for program, runs in programs.items():
            tests.addTest(_suite(program, runs))
        return tests

    return load_tests
