"""Tests `sockmalloc run` and `sockmalloc check`: which programs they start with the library, which they refuse and why,
and that `check` says if the library serves the program's malloc."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import shutil
import stat
import struct
import subprocess
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

from support import command, settings
from support.servant import ServantCase

NOBODY = 65534
ELF_CLASS_AT, ELF_32 = 4, 1
PROGRAM_HEADERS_AT, HEADER_SIZE, PT_NULL, PT_INTERP = 64, 56, 0, 3
# The content of the extended attribute security.capability that makes a program privileged: VFS_CAP_REVISION_2 with the
# effective bit, and CAP_NET_BIND_SERVICE permitted.
CAPABILITIES = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


def as_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


class CommandCase(ServantCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory.chmod(0o755)

    def sock(self, *arguments: str | int | Path, **options: object) -> subprocess.CompletedProcess[str]:
        word, *rest = arguments
        return command.run(word, "--library", settings.library(), *rest, **options)

    def program(self, name: str = "program", change: Callable[[bytearray], None] = lambda _: None) -> Path:
        """Makes a copy of the program env, whose bytes `change` may change. Returns the path of the copy."""
        image = bytearray(Path(settings.tool("env")).resolve().read_bytes())
        change(image)
        path = self.directory / name
        path.write_bytes(image)
        path.chmod(0o755)
        return path

    def script(self, first_line: str) -> Path:
        path = self.directory / "script"
        path.write_text(f"{first_line}\nexit 0\n")
        path.chmod(0o755)
        return path


class Library(CommandCase):
    """`sockmalloc run` preloads the library that the user names by -L, or else the one from the same build or
    installation as the command."""

    def preloaded(self, *arguments: str, copy: Path | None = None) -> str:
        """Runs `sockmalloc run` in the test's own directory, by the file `copy` if this is given. Returns the line with
        LD_PRELOAD from the environment of the program that `sockmalloc run` starts."""
        place = self.directory
        done = command.run("run", *arguments, "env", command=copy, prepare=lambda: os.chdir(place))
        self.assertEqual(done.stderr, "")
        return next(line for line in done.stdout.splitlines() if line.startswith("LD_PRELOAD="))

    def test_a_relative_path(self) -> None:
        shutil.copy(settings.library(), self.directory / "mine.so")
        self.assertEqual(self.preloaded("-L", "mine.so"), f"LD_PRELOAD={self.directory.resolve()}/mine.so")
        self.assertEqual(self.preloaded("-L", "./mine.so"), f"LD_PRELOAD={self.directory.resolve()}/./mine.so")

    def test_the_library_of_the_build_tree(self) -> None:
        self.assertEqual(self.preloaded(), f"LD_PRELOAD={settings.library()}")

    def test_the_library_beside_the_command(self) -> None:
        copy = self.directory.resolve() / "sockmalloc"
        shutil.copy(command.path(), copy)
        shutil.copy(settings.library(), copy.with_name("libsockmalloc.so"))
        self.assertEqual(self.preloaded(copy=copy), f"LD_PRELOAD={copy.with_name('libsockmalloc.so')}")


class Run(CommandCase):
    def test_sets_the_variables_and_keeps_the_rest(self) -> None:
        options = ("--min", "8k", "--stats-at-exit=0", "--pool=cpu")
        result = self.sock("run", *options, "env", variables={"KEPT": "as it is"})
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = result.stdout.splitlines()
        for line in (
            f"LD_PRELOAD={settings.library()}",
            "SOCKMALLOC_MIN=8k",
            "SOCKMALLOC_STATS_AT_EXIT=0",
            "SOCKMALLOC_POOL=cpu",
            "KEPT=as it is",
        ):
            self.assertIn(line, lines)

    def test_a_switch_needs_no_value(self) -> None:
        result = self.sock("run", "--stats-at-exit", "--", settings.program("servant"))
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        self.assertIn(": statistics of servant, ", result.stderr)

    def test_the_program_has_its_own_options(self) -> None:
        for before in ([], ["--"]):
            result = self.sock("run", *before, "printf", "%s\n", "--min", "--help")
            self.assertEqual((result.returncode, result.stdout), (0, "--min\n--help\n"), result.stderr)

    def test_its_end_is_the_programs(self) -> None:
        self.assertEqual(self.sock("run", "sh", "-c", "exit 77").returncode, 77)

    def test_goes_in_front_of_what_is_preloaded_already(self) -> None:
        other = settings.early_library()
        result = self.sock("run", "env", variables={"LD_PRELOAD": str(other)})
        self.assertIn(f"LD_PRELOAD={settings.library()}:{other}", result.stdout.splitlines())

    def test_a_bad_value(self) -> None:
        self.assert_refused(self.sock("run", "--min=3", "env"), command.USAGE, "--min=3: not a size from 2k to 64m")

    def test_nothing_to_run(self) -> None:
        self.assert_refused(self.sock("run", "--min=8k"), command.USAGE, "run: no program is given")


class Mistyped(CommandCase):
    """If a word on the command line is mistyped, the command prints the word that the user probably meant."""

    def test_words(self) -> None:
        for arguments, words in (
            (("stats",), "there is no command stats; did you mean stat?"),
            (("rekord",), "there is no command rekord; did you mean record?"),
            (("stat", "--jsn"), "stat: there is no option --jsn; did you mean --json?"),
            (("stat", "-S", "--jsn"), "stat: there is no option --jsn; did you mean --json?"),
            (("stat", "nginx", "--intervall=1"), "stat: there is no option --intervall; did you mean --interval?"),
            (("run", "--pol", "cpu", "true"), "run: there is no option --pol; did you mean --pool?"),
            (("run", "--decay_ms=1", "true"), "run: there is no option --decay_ms; did you mean --decay-ms?"),
        ):
            with self.subTest(words):
                self.assert_refused(command.run(*arguments), command.USAGE, words)
        self.assertNotIn("mean", command.run("quux").stderr)
        self.assertNotIn("mean", command.run("stat", "--quux").stderr)

    def test_words_of_the_program(self) -> None:
        """The command does not take a word for an option if it is the value of an option of one letter, or if it stands
        after -- or after the name of the program to run."""
        for arguments in (("echo", "--pol"), ("--", "echo", "--pol"), ("--min", "8k", "echo", "--pol")):
            with self.subTest(arguments):
                self.assertEqual(self.sock("run", *arguments).stdout, "--pol\n")
        result = command.run("record", "-S", "--jsn")
        self.assertIn("--jsn can't be read", result.stderr)


class Help(CommandCase):
    def test_it_fits_the_terminal_and_has_groups(self) -> None:
        for arguments in (("--help",), ("run", "--help"), ("stat", "--help")):
            with self.subTest(arguments):
                self.assertLess(max(map(len, command.run(*arguments).stdout.splitlines())), 80)
        self.assertIn("\n\nLook at running servers.", command.run("--help").stdout)
        text = command.run("run", "--help").stdout
        self.assertIn("\n When memory goes back to the kernel:\n", text)
        self.assertRegex(" ".join(text.split()), r"--decay-ms=VALUE .{,200}, a time such as 2s, or never; default 250 ")


class Confined(unittest.TestCase):
    """/proc/PID/attr/current says if AppArmor confines a process. These tests mount a file of their own over that
    file."""

    def run_confined(self, label: str, process: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        if os.geteuid() != 0:
            self.skipTest("needs root, to mount a folder over /proc/PID/attr")
        folder = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(folder.cleanup)
        (Path(folder.name) / "current").write_text(label)
        script = f'mount --bind "$0" /proc/{process}/attr && exec "$@"'
        words = ["unshare", "-m", "sh", "-c", script, folder.name, command.path(), *map(str, arguments)]
        return subprocess.run(words, env=command.environment(), capture_output=True, text=True, timeout=300)

    def test_run_warns_and_starts_the_program(self) -> None:
        for label, warning in (
            ("/usr/sbin/start \033er (enforce)\n", r"\Asockmalloc: AppArmor's profile /usr/sbin/start \\x1ber may "
             r"start echo without LD_PRELOAD; `sockmalloc check echo` says if the library is in effect\n\Z"),
            ("starter (complain)\n", r"\A\Z"),
            ("unconfined\n", r"\A\Z"),
        ):
            with self.subTest(label):
                result = self.run_confined(label, "$$", "run", "-L", settings.library(), "echo", "word")
                self.assertEqual((result.returncode, result.stdout), (0, "word\n"))
                self.assertRegex(result.stderr, warning)

    def test_check_names_the_profile(self) -> None:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            result = self.run_confined("starter (enforce)\n", str(process.pid), "check", process.pid)
            self.assertEqual((result.returncode, result.stderr), (command.NO, ""))
            words = "AppArmor confines it by the profile starter, which may forbid the library or remove LD_PRELOAD\n"
            self.assertIn(f"  {words}", result.stdout)


class Refusals(CommandCase):
    """`sockmalloc run` must refuse a program that cannot be executed, and a program that would run without the library,
    because the user would not notice that."""

    def test_no_program_or_no_library(self) -> None:
        text = self.directory / "text"
        text.write_text("words\n")
        given = ("--library", settings.library())
        missing, mute = "/no/such/library.so", "LD_PRELOAD can't name the library"
        for arguments, code, words in (
            ((*given, "no-such-program"), command.NOT_FOUND, "no-such-program can't be executed: No such file"),
            ((*given, "/no/such/program"), command.NOT_FOUND, "/no/such/program can't be executed: No such file"),
            ((*given, text), command.NOT_EXECUTABLE, "Permission denied"),
            ((*given, self.directory), command.NOT_EXECUTABLE, "Permission denied"),
            (("--library", missing, "env"), command.REFUSED, f"{missing} can't be read: No such file"),
            (("--library", f"{self.directory}/a b.so", "env"), command.REFUSED, mute),
            (("--library", f"{self.directory}/a:b.so", "env"), command.REFUSED, mute),
            (("--library", "relative.so", "env"), command.REFUSED, "/relative.so can't be read: No such file"),
            (("--library", "/etc/passwd", "env"), command.REFUSED, "is no 64-bit shared object"),
        ):
            with self.subTest(words):
                self.assert_refused(command.run("run", *arguments), code, words)

    def test_a_static_program(self) -> None:
        def forget_interpreter(image: bytearray) -> None:
            for at in range(PROGRAM_HEADERS_AT, PROGRAM_HEADERS_AT + 20 * HEADER_SIZE, HEADER_SIZE):
                if struct.unpack_from("<I", image, at) == (PT_INTERP,):
                    struct.pack_into("<I", image, at, PT_NULL)
                    return

        path = self.program(change=forget_interpreter)
        self.assert_refused(self.sock("run", path), command.REFUSED, f"{path} is a static program")

    def test_a_program_of_musl(self) -> None:
        """A program is changed so that its dynamic linker is musl's. If musl's linker loaded the library, it would
        print a page of errors about missing symbols."""

        def interpret_by_musl(image: bytearray) -> None:
            for at in range(PROGRAM_HEADERS_AT, PROGRAM_HEADERS_AT + 20 * HEADER_SIZE, HEADER_SIZE):
                if struct.unpack_from("<I", image, at) == (PT_INTERP,):
                    (start,) = struct.unpack_from("<Q", image, at + 8)
                    name = b"/lib/ld-musl-x86_64.so.1\0"
                    image[start : start + len(name)] = name
                    struct.pack_into("<QQ", image, at + 32, len(name), len(name))
                    return

        path = self.program(change=interpret_by_musl)
        for word in ("run", "check"):
            with self.subTest(word):
                self.assert_refused(self.sock(word, path), command.REFUSED, f"{path} is a program of musl's libc")

    def test_programs_of_other_machines(self) -> None:
        for change, words in (
            (lambda image: image.__setitem__(ELF_CLASS_AT, ELF_32), "is a 32-bit program"),
            (lambda image: struct.pack_into("<H", image, 18, 243), "is for another machine"),
        ):
            path = self.program(change=change)
            self.assert_refused(self.sock("run", path), command.REFUSED, f"{path} {words}")

    def test_privileges(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("needs root, to give a program privileges")
        copy = self.program("command", lambda image: None)
        shutil.copy(command.path(), copy)
        library = self.directory / "libsockmalloc.so"
        shutil.copy(settings.library(), library)
        path = self.program()
        for mode, words in ((stat.S_ISUID, "is setuid"), (stat.S_ISGID, "is setgid"), (0, "has file capabilities")):
            with self.subTest(words):
                path.chmod(0o755 | mode)
                if mode == 0:
                    os.setxattr(path, "security.capability", CAPABILITIES)
                result = command.run("run", "-L", library, path, prepare=as_nobody, command=copy)
                self.assert_refused(result, command.REFUSED, f"{path} {words}: ")
                # The user root owns the program, and so gets no new rights from it: setuid and setgid give none to
                # the owner and the group of the file, and file capabilities give none to root. So the dynamic linker
                # obeys LD_PRELOAD, and the command must start the program.
                mine = command.run("run", "-L", library, path, command=copy)
                self.assertEqual((mine.returncode, mine.stderr), (0, ""))
                self.assertIn(f"LD_PRELOAD={library}", mine.stdout)

    def test_a_script_is_its_interpreter(self) -> None:
        foreign = self.program(change=lambda image: image.__setitem__(ELF_CLASS_AT, ELF_32))
        env = "#!/usr/bin/env"
        for line in (f"#!{foreign}", f"#! {foreign} -x", f"{env} {foreign}", f"{env} -S A=1 {foreign} x"):
            with self.subTest(line):
                path = self.script(line)
                self.assert_refused(self.sock("run", path), command.REFUSED, f"{foreign} is a 32-bit program")
        for line in ("#!/bin/sh", "#!/usr/bin/env sh", ": no line at all"):
            with self.subTest(line):
                result = self.sock("run", self.script(line))
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_a_script_that_is_its_own_interpreter(self) -> None:
        path = self.script(f"#!{self.directory}/script")
        self.assert_refused(self.sock("run", path), command.NOT_EXECUTABLE, "Too many levels")


class Check(CommandCase):
    def assert_verdict(self, result: subprocess.CompletedProcess[str], code: int, *lines: str) -> None:
        self.assertEqual((result.returncode, result.stderr), (code, ""), result.stdout)
        for line in lines:
            self.assertIn(line, result.stdout)

    def test_a_process_with_the_library(self) -> None:
        servant = self.start(POOL="cpu")
        servant.ask("take 5000")
        self.assert_verdict(
            command.run("check", servant.pid),
            command.DONE,
            f"process {servant.pid} (servant): sockmalloc ",
            " is in effect\n",
            f"  malloc   is served by {settings.library()}\n",
            "  pools    on, of the kind cpu\n",
            "  pools served 100.00 % of the bytes",
        )

    def test_plugins_with_another_malloc(self) -> None:
        words = "malloc   of objects loaded with RTLD_DEEPBIND is the C library's own: SOCKMALLOC_DEEPBIND=1\n"
        self.assert_verdict(command.run("check", self.start(DEEPBIND="1").pid), command.DONE, words)
        self.assertNotIn("RTLD_DEEPBIND", command.run("check", self.start().pid).stdout)

    def test_pools_that_are_off(self) -> None:
        servant = self.start(DISABLE="1")
        off = "  pools    off: SOCKMALLOC_DISABLE=1\n"
        self.assert_verdict(command.run("check", servant.pid), command.NO, " is not in effect\n", off)

    def test_another_library_that_comes_first(self) -> None:
        """The library that is preloaded first is a copy of ours, changed so that the command cannot recognize it. The
        command must name this copy, because the process calls its malloc."""
        other = self.directory / "libfirst.so"
        image = settings.library().read_bytes().replace(b"sockmalloc view\0", b"sockmalloc blind")
        other.write_bytes(image)
        servant = self.start(others={"LD_PRELOAD": f"{other}:{settings.library()}"})
        self.assert_verdict(
            command.run("check", servant.pid), command.NO, " is not in effect\n", f"  malloc   is served by {other}\n"
        )

    def test_a_process_without(self) -> None:
        for variables, words in (
            ({}, "LD_PRELOAD was not set"),
            ({"LD_PRELOAD": "/no/such.so"}, "LD_PRELOAD was /no/such.so"),
        ):
            process = subprocess.Popen(
                [settings.tool("sleep"), "1000"], env=command.environment(variables), stderr=subprocess.DEVNULL
            )
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            while os.readlink(f"/proc/{process.pid}/exe") != os.path.realpath(settings.tool("sleep")):
                pass
            # The dynamic linker maps libc some time after exec. Until then the process has no malloc that the command
            # could find.
            while "libc.so.6" not in Path(f"/proc/{process.pid}/maps").read_text():
                pass
            self.assert_verdict(command.run("check", process.pid), command.NO, "not in effect", "libc.so.6", words)

    def test_a_command_to_its_end(self) -> None:
        program = [settings.tool("python3"), "-c", "x = bytes(20000); print('hello')"]
        result = self.sock("check", "--min=8k", "--", *program)
        self.assert_verdict(result, command.DONE, "hello\n", " is in effect\n", "  pools served 100.00 % of ")

    def test_a_command_that_ends_badly(self) -> None:
        for script, words in (
            ("exit 3", "  program  ended with exit status 3\n"),
            ("kill -TERM $$; echo survived", "  program  was ended by signal 15 (Terminated)\n"),
            ("kill -SEGV $$; echo survived", "  program  was ended by signal 11 (Segmentation fault)\n"),
        ):
            with self.subTest(script):
                result = self.sock("check", "sh", "-c", script)
                self.assertNotIn("survived", result.stdout)
                self.assert_verdict(result, command.DONE, " is in effect\n", words)
        self.assertNotIn("  program ", self.sock("check", "sh", "-c", "exit 0").stdout)

    def test_a_command_that_is_killed(self) -> None:
        """After a process was killed, the kernel may stop it for its tracer once more just before its end, or may not.
        In both cases the command, which traces the program, must report that the program was killed."""
        result = self.sock("check", "sh", "-c", "kill -KILL $$; echo survived")
        self.assertNotIn("survived", result.stdout)
        self.assertIn("was ended by signal 9 (Killed)", result.stdout + result.stderr)
        self.assertEqual(result.returncode, command.DONE if result.stderr == "" else command.GONE)

    def test_a_command_that_asks_for_nothing(self) -> None:
        result = self.sock("check", settings.program("foreign"))
        words = "  pools had nothing to serve: no request of 4096 to 33554432 bytes came\n"
        self.assert_verdict(result, command.DONE, " is in effect\n", words)
        self.assertNotIn("%", result.stdout)

    def test_a_command_that_calls_another_allocator(self) -> None:
        """Some programs are linked with jemalloc and call its mallocx, as bind9 does. Our library has no function of
        that name, so these calls do not reach our library, and the command must say so."""
        plugin, program = settings.plugin(), settings.program("foreign")
        result = self.sock("check", program, variables={"LD_PRELOAD": str(plugin)})
        words = (
            f"  mallocx  is served by {plugin}: memory that the program itself allocates by that name "
            "is not in the pools\n"
        )
        self.assert_verdict(result, command.DONE, f"  malloc   is served by {settings.library()}\n", words)
        self.assertNotIn("mallocx", self.sock("check", program).stdout)

    def test_a_command_that_goes_on_without(self) -> None:
        """A shell runs with the library, and then executes a program without it. The command must report on the
        program, and not on the shell."""
        result = self.sock("check", "sh", "-c", "unset LD_PRELOAD; exec sleep 0")
        self.assert_verdict(result, command.NO, "(sleep): sockmalloc is not in effect")

    def test_a_command_that_is_refused(self) -> None:
        self.assert_refused(self.sock("check", "--", "no-such-program"), command.NOT_FOUND, "no-such-program")
