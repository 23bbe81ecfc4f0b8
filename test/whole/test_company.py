"""Tests the library together with other libraries, allocators and tools in one process: the allocator that comes first
must serve every request, and every process must end well."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import cases, settings
from support.cases import Outcome

PROGRAM = ("allocate", "every_size")  # this case fails if the pools do not serve a request whose size they should serve
LIBRARIES = {
    "libfaketime": "faketime/libfaketime.so.1",
    "libfaketimeMT": "faketime/libfaketimeMT.so.1",
    "libeatmydata": "libeatmydata.so",
}
ALLOCATORS = ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libtbbmalloc_proxy.so.2")
OVERRUN = """
#include <stdlib.h>
int main(void)
{
    volatile char *block = reallocarray(malloc(100), 20, 1000);
    block[20000] = 1;
    return 0;
}
"""
EARLY_OPENER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>
/* Prints `apart` if the plug-in allocates by the C library's malloc, and `shared` otherwise. The field uordblks is the
 * number of bytes that the C library's malloc has allocated, so it rises only if that malloc has served the plug-in. */
__attribute__((constructor)) static void open_early(void)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    struct mallinfo2 (*info)(void) = libc != NULL ? dlsym(libc, "mallinfo2") : NULL;
    void *plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_DEEPBIND);
    void *(*take)(size_t) = plugin != NULL ? dlsym(plugin, "plugin_take") : NULL;
    if (info == NULL || take == NULL) {
        _exit(9);
    }
    size_t before = info().uordblks;
    int apart = take(20000) != NULL && info().uordblks >= before + 20000;
    write(1, apart ? "apart\\n" : "shared\\n", apart ? 6 : 7);
}
"""
CLASH = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
const char *whose(void)
{
    return "the program's";
}
int main(int count, char **arguments)
{
    void *plugin = dlopen(arguments[1], RTLD_NOW | RTLD_DEEPBIND);
    const char *(*call)(void) = plugin != NULL ? dlsym(plugin, "call") : NULL;
    return call == NULL || puts(call()) < 0;
}
"""
AUDITOR = """
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
unsigned la_version(unsigned version)
{
    free(malloc(10000));
    return version;
}
/* The dynamic linker calls this function for each object that it loads. The function writes the object's name to the
 * file that AUDITOR_SAYS names, by stdio, because stdio allocates. */
unsigned la_objopen(struct link_map *map, Lmid_t space, uintptr_t *cookie)
{
    char *block = malloc(5000);
    const char *path = getenv("AUDITOR_SAYS");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;
    memset(block, 1, 5000);
    block = realloc(block, 200000);
    if (file != NULL) {
        fprintf(file, "%s\\n", map->l_name);
        fclose(file);
    }
    free(block);
    return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}
uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned index, uintptr_t *from, uintptr_t *to, unsigned *flags,
                       const char *name)
{
    free(strdup(name));
    return symbol->st_value;
}
"""
CALLER = """
#define _GNU_SOURCE
#include <dlfcn.h>
void *caller_open(const char *file, int flags)
{
    void *volatile handle = dlopen(file, flags);
    return handle;
}
void *caller_open_in_base(const char *file, int flags)
{
    void *volatile handle = dlmopen(LM_ID_BASE, file, flags);
    return handle;
}
"""
SANITIZED = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    for (size_t size = 100; size < 4000000; size *= 2) {
        char *block = malloc(size);
        memset(block, 1, size);
        free(realloc(block, size * 2));
    }
    puts("done");
    return 0;
}
"""


def installed(name: str) -> Path:
    """Returns the path of a shared library that a Debian package has installed."""
    found = [path for path in Path("/usr/lib").glob(f"*/{name}")]
    if not found:
        raise settings.Missing(f"{name} is not installed")
    return found[0]


class Company(unittest.TestCase):
    maxDiff = None

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="whole-test-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)

    def run_under(self, *command: object, preloaded: object = None, **variables: str) -> Outcome:
        return cases.outcome_of(list(command), settings.environment(variables, preloaded))

    def build(self, name: str, source: str, *options: str) -> Path:
        """Compiles one C source text to a program or a shared library, and returns its path."""
        file = self.directory / f"{name}.c"
        file.write_text(source)
        path = self.directory / name
        subprocess.run([settings.tool("gcc"), "-O0", "-o", path, file, *options], check=True)
        return path

    def program(self) -> list[object]:
        return [settings.program(PROGRAM[0]), PROGRAM[1]]


class Preloaded(Company):
    def test_faketime_and_eatmydata_in_both_orders(self) -> None:
        for name, file in LIBRARIES.items():
            ours, other = settings.library(), installed(file)
            for preloaded in ((ours, other), (other, ours)):
                with self.subTest(name, first=preloaded[0].name):
                    outcome = self.run_under(*self.program(), preloaded=preloaded, FAKETIME="-10d")
                    self.assertEqual(outcome, Outcome(0, "", ""))

    def test_faketime_does_fake(self) -> None:
        """libfaketime must still work beside our library: `date` must print the year in FAKETIME."""
        preloaded = (settings.library(), installed(LIBRARIES["libfaketime"]))
        outcome = self.run_under(settings.tool("date"), "+%Y", preloaded=preloaded, FAKETIME="@2001-01-01 00:00:00")
        self.assertEqual(outcome, Outcome(0, "2001\n", ""))

    def test_jemalloc_behind_us_serves_nobody(self) -> None:
        preloaded = (settings.library(), installed("libjemalloc.so.2"))
        self.assertEqual(self.run_under(*self.program(), preloaded=preloaded), Outcome(0, "", ""))

    def test_allocators_before_us_serve_all(self) -> None:
        """The dynamic linker binds malloc to the allocator that is preloaded first. Our library is preloaded after that
        allocator, so our library starts, but must serve no request. strdup, reallocarray and similar functions of our
        library must return blocks of the first allocator, even in constructors that run before our library's own."""
        for name in ALLOCATORS:
            preloaded = (installed(name), settings.library(), settings.early_library())
            for case in ("copies_of_strings", "relatives_of_realloc_and_free"):
                with self.subTest(name, case=case):
                    outcome = self.run_under(settings.program("loader"), case, preloaded=preloaded)
                    self.assertEqual(outcome, Outcome(0, "", ""))
            with self.subTest(name):
                outcome = self.run_under(settings.program("servant"), preloaded=preloaded, SOCKMALLOC_STATS_AT_EXIT="1")
                self.assertEqual((outcome.status, outcome.stdout), (0, ""))
                self.assertRegex(outcome.stderr, r"(?m)^total +0 ")


class Loaded(Company):
    """Tests plug-ins, and our library itself, that a program loads while it runs. In some of the cases the program
    loads and unloads them a thousand times while its threads allocate."""

    def run_loader(self, case: str, *paths: object, preloaded: object = None, **variables: str) -> None:
        outcome = self.run_under(settings.program("loader"), case, *paths, preloaded=preloaded, **variables)
        self.assertEqual(outcome, Outcome(0, "", ""))

    def test_loaded_again_and_again(self) -> None:
        for case, path, preloaded in (
            ("plugin_comes_and_goes", settings.plugin(), None),
            ("library_comes_and_goes", settings.library(), None),
            ("library_is_loaded_late_and_stays", settings.library(), ()),
            ("plugin_in_a_namespace_of_its_own", settings.plugin(), None),
            ("library_in_another_namespace", settings.library(), None),
        ):
            with self.subTest(case):
                self.run_loader(case, path, preloaded=preloaded)

    def test_deeply_bound_plugin(self) -> None:
        """With the flag RTLD_DEEPBIND the plug-in would use the C library's malloc, so our dlopen removes the flag."""
        self.run_loader("deeply_bound_plugin_shares_blocks", settings.plugin())

    def test_deeply_bound_plugin_that_has_another_malloc(self) -> None:
        """A plug-in is loaded with RTLD_DEEPBIND, and another allocator is preloaded before our library. Our dlopen
        removes the flag, so the plug-in allocates by that other allocator. With SOCKMALLOC_DEEPBIND=1 our dlopen keeps
        the flag, so the plug-in uses the C library's malloc."""
        preloaded = (installed("libjemalloc.so.2"), settings.library())
        self.run_loader("deeply_bound_plugin_shares_blocks", settings.plugin(), preloaded=preloaded)
        self.run_loader("deeply_bound_plugin_serves_itself", settings.plugin(), SOCKMALLOC_DEEPBIND="1")

    def test_deeply_bound_plugin_of_a_constructor(self) -> None:
        """A second library is preloaded before or after ours. Its constructor calls dlopen with RTLD_DEEPBIND, before
        our constructor has run or after it. In both orders the plug-in must use our malloc, and with
        SOCKMALLOC_DEEPBIND=1 that of the C library."""
        early = self.build("early", EARLY_OPENER, "-shared", "-fPIC", f'-DPLUGIN="{settings.plugin()}"')
        for library in ((settings.library(), early), (early, settings.library())):
            outcome = self.run_under(*self.program(), preloaded=library)
            self.assertEqual(outcome, Outcome(0, "shared\n", ""))
            outcome = self.run_under(*self.program(), preloaded=library, SOCKMALLOC_DEEPBIND="1")
            self.assertEqual(outcome, Outcome(0, "apart\n", ""))

    def test_names_that_clash(self) -> None:
        """A plug-in is linked with a library that defines a function which the program defines too. The plug-in calls
        its own library's function only if it is loaded with RTLD_DEEPBIND and SOCKMALLOC_DEEPBIND=1 keeps this flag."""
        options = ("-shared", "-fPIC", "-Wl,-rpath,$ORIGIN")
        library = self.build("libclashing.so", 'const char *whose(void) { return "the plug-in\'s"; }', *options)
        source = "const char *whose(void); const char *call(void) { return whose(); }"
        plugin = self.build("libcalling.so", source, *options, library)
        program = self.build("clash", CLASH, "-rdynamic")
        for variables, preloaded, whose in (
            ({}, (), "the plug-in's\n"),
            ({}, None, "the program's\n"),
            ({"SOCKMALLOC_DEEPBIND": "1"}, None, "the plug-in's\n"),
        ):
            outcome = self.run_under(program, plugin, preloaded=preloaded, **variables)
            self.assertEqual(outcome, Outcome(0, whose, ""))

    def test_auditor(self) -> None:
        """The dynamic linker loads an auditor (LD_AUDIT) into a namespace that has its own C library, and calls the
        auditor while the dynamic linker loads the program. The auditor calls the malloc of that C library. The program
        must run as without the auditor, and the auditor must have seen our library."""
        auditor = self.build("libauditor.so", AUDITOR, "-shared", "-fPIC")
        said = self.directory / "said"
        outcome = self.run_under(*self.program(), LD_AUDIT=str(auditor), AUDITOR_SAYS=str(said))
        self.assertEqual(outcome, Outcome(0, "", ""))
        self.assertIn(f"{settings.library()}\n", said.read_text())
        self.run_loader("deeply_bound_plugin_shares_blocks", settings.plugin(), LD_AUDIT=str(auditor))

    def test_caller_finds_what_it_names(self) -> None:
        """The dynamic linker searches the library path of the object that calls dlopen. Here this object is
        libcaller.so, and only its library path leads to libinner.so. libcaller.so calls our library's dlopen, which
        calls libc's dlopen. The dynamic linker must still take libcaller.so for the caller, and find libinner.so."""
        inner = self.directory / "inner"
        inner.mkdir()
        shutil.copy(settings.plugin(), inner / "libinner.so")
        caller = self.build("libcaller.so", CALLER, "-shared", "-fPIC", "-Wl,-rpath,$ORIGIN/inner")
        for value in ("0", "1"):
            with self.subTest(left_alone=value):
                self.run_loader("caller_finds_what_it_names", caller, "libinner.so", SOCKMALLOC_DEEPBIND=value)


class Tools(Company):
    def preload_by(self) -> str:
        return f"LD_PRELOAD={settings.library()}"

    def test_gdb(self) -> None:
        """gdb stops a program at a breakpoint in our library's free, prints the calls that led there, and lets the
        program run to its end."""
        orders = [f"set exec-wrapper env {self.preload_by()}", "set breakpoint pending on", "break free", "run"]
        orders += ["backtrace", "delete", "continue"]
        arguments = [part for order in orders for part in ("-ex", order)]
        command = [settings.tool("gdb"), "-batch", "-nx", *arguments, "--args", *self.program()]
        outcome = self.run_under(*command, preloaded=(), DEBUGINFOD_URLS="")
        self.assertEqual(outcome.status, 0, outcome.stderr)
        self.assertRegex(outcome.stdout, r"(?m)^#0 .*free .*libsockmalloc\.so|^#0 .*shim_malloc\.c")
        self.assertRegex(outcome.stdout, r"exited normally")

    def test_strace(self) -> None:
        log = self.directory / "calls"
        command = [settings.tool("strace"), "-f", "-o", log, f"-E{self.preload_by()}", *self.program()]
        self.assertEqual(self.run_under(*command, preloaded=()), Outcome(0, "", ""))
        self.assertIn("PROT_NONE", log.read_text())

    def test_heaptrack(self) -> None:
        """heaptrack preloads a library of its own before ours. That library counts each malloc and then calls our
        malloc."""
        command = [settings.tool("heaptrack"), "-o", self.directory / "trace", *self.program()]
        outcome = self.run_under(*command)
        self.assertEqual(outcome.status, 0, outcome.stderr)
        allocations = re.search(r"allocations:\s+(\d+)", outcome.stdout + outcome.stderr)
        self.assertIsNotNone(allocations, outcome)
        self.assertGreater(int(allocations[1]), 100)

    def valgrind(self, *options: str) -> list[str]:
        return [settings.tool("valgrind"), "-q", "--error-exitcode=9", *options]

    def test_valgrind_watches_the_program(self) -> None:
        """By default valgrind replaces our malloc by its own. valgrind must then find that the program writes beyond
        the end of a block."""
        outcome = self.run_under(*self.valgrind(), self.build("overrun", OVERRUN))
        self.assertEqual(outcome.status, 9, outcome)
        self.assertIn("0 bytes after a block of size 20,000 alloc'd", outcome.stderr)

    def test_valgrind_watches_us(self) -> None:
        """With the option --soname-synonyms valgrind does not replace our malloc. The pools must serve the program, and
        valgrind must report no errors in them."""
        command = [*self.valgrind("--soname-synonyms=somalloc=nouserintercepts"), *self.program()]
        self.assertEqual(self.run_under(*command), Outcome(0, "", ""))


class Layouts(Company):
    """The kernel has several layouts of addresses for a program and its mappings. In the older layout, the pools of a
    program that is not position-independent may lie in the range of addresses that mimalloc uses, too. In each layout,
    the program must run to its end."""

    def test_other_layouts(self) -> None:
        source, program = self.directory / "resizes.c", self.directory / "resizes"
        source.write_text(SANITIZED)
        for option in ("-pie", "-no-pie"):
            subprocess.run([settings.tool("gcc"), option, "-o", program, source], check=True)
            for layout in (
                ("prlimit", "--stack=unlimited"),
                ("setarch", "--addr-compat-layout"),
                ("setarch", "--addr-no-randomize"),
            ):
                with self.subTest(option=option, layout=layout):
                    command = [settings.tool(layout[0]), *layout[1:], program]
                    self.assertEqual(self.run_under(*command), Outcome(0, "done\n", ""))


class Sanitized(Company):
    """Runs programs that are compiled with AddressSanitizer."""

    def sanitized(self, *options: str) -> Path:
        """Compiles a program with AddressSanitizer and these options, and returns the program's path."""
        return self.build("sanitized", SANITIZED, "-fsanitize=address", *options)

    def test_before_its_runtime(self) -> None:
        """AddressSanitizer's runtime must be the first library that is loaded. If our library is preloaded before the
        runtime, the runtime must end the program with a clear message."""
        outcome = self.run_under(self.sanitized())
        self.assertEqual((outcome.status, outcome.stdout), (1, ""))
        self.assertIn("ASan runtime does not come first in initial library list", outcome.stderr)

    def test_behind_its_runtime(self) -> None:
        runtime = subprocess.run(
            [settings.tool("gcc"), "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
        ).stdout.strip()
        preloaded = (Path(os.path.realpath(runtime)), settings.library())
        self.assertEqual(self.run_under(self.sanitized(), preloaded=preloaded), Outcome(0, "done\n", ""))

    def test_runtime_within_the_program(self) -> None:
        self.assertEqual(self.run_under(self.sanitized("-static-libasan")), Outcome(0, "done\n", ""))


load_tests = cases.loader({"own_malloc": {}})
