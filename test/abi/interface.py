"""Reads the functions of include/sockmalloc.h and their types from the output of abidw (libabigail), and compares two
such descriptions."""
# SPDX-License-Identifier: BSD-2-Clause
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as Tree
from pathlib import Path

OWN = re.compile(r"sockmalloc_")
TOOLS = ("abidw", "abidiff")
HEAD = "<abi-corpus version='2.1' soname=''>\n<elf-function-symbols>"
MIDDLE = "</elf-function-symbols>\n<abi-instr address-size='64' path='sockmalloc.h' language='LANG_C11'>"
END = "</abi-instr>\n</abi-corpus>\n"


def are_tools_here() -> bool:
    return all(shutil.which(tool) for tool in TOOLS)


def described(library: Path, header: Path) -> Tree.Element:
    """Returns abidw's description of the library, which has only those structures that the file `header` declares."""
    hidden = ["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-parameter-names", "--no-elf-needed"]
    command = ["abidw", *hidden, "--drop-undefined-syms", "--drop-private-types", "--headers-dir", header.parent]
    done = subprocess.run([*command, library], check=True, capture_output=True, text=True)
    return Tree.fromstring(done.stdout)


class Interface:
    """The interface: all functions whose names begin with sockmalloc_, read from abidw's description of the library
    (XML)."""

    def __init__(self, root: Tree.Element) -> None:
        self.symbols = {symbol.get("name", ""): symbol for symbol in root.iter("elf-symbol")
                        if symbol.get("type") == "func-type" and OWN.match(symbol.get("name", ""))}
        declared = [declaration for unit in root.iter("abi-instr") for declaration in unit]
        self.types = {declaration.get("id"): declaration for declaration in declared if "id" in declaration.attrib}
        self.functions = {declaration.get("name", ""): declaration for declaration in declared
                          if declaration.tag == "function-decl" and declaration.get("name") in self.symbols}

    def text(self, names: set[str]) -> str:
        """Returns the description of the functions with these names and of the types that they need, one line for each
        function or type."""
        needed: dict[str, Tree.Element] = {}

        def need(declaration: Tree.Element) -> None:
            for part in declaration.iter():
                kind = part.get("type-id")
                if kind is not None and kind not in needed:
                    needed[kind] = self.types[kind]
                    need(self.types[kind])

        functions = [self.functions[name] for name in sorted(names & set(self.functions))]
        for function in functions:
            need(function)
        symbols = [self.symbols[name] for name in sorted(names & set(self.symbols))]
        return "\n".join([HEAD, *map(line, symbols), MIDDLE, *map(line, needed.values()), *map(line, functions), END])


def line(element: Tree.Element) -> str:
    return re.sub(r">\s+<", "><", Tree.tostring(element, encoding="unicode").strip())


def difference(old: str, new: str) -> str:
    """Returns the differences that abidiff finds between two descriptions, or "" if programs that were built with the
    old library run with the new one. A new function does not count as a difference."""
    with tempfile.TemporaryDirectory() as directory:
        files = [Path(directory, name) for name in ("old.abi", "new.abi")]
        for file, text in zip(files, (old, new), strict=True):
            file.write_text(text)
        done = subprocess.run(["abidiff", "--no-added-syms", *files], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"abidiff ended with {done.returncode}: {done.stdout}{done.stderr}"
