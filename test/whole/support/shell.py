"""Runs interactive shells on a terminal. Each shell has loaded the completions of the command `sockmalloc`, so a test
sees what the shell offers when TAB is pressed."""
# SPDX-License-Identifier: BSD-2-Clause
from pathlib import Path

from . import command, settings
from .terminal import Terminal

COLUMNS, LINES = 160, 100
PROMPT = "ready>"
CLEAR, TAB, TELL = b"\x0c", b"\t", b"\x1d"

# The configuration file of each shell. With it, the shell lists the possible completions at the first TAB. The key TELL
# makes the shell print its command line together with a number, which rises at each press, and then begin an empty
# command line. When a test sees the number, the shell has printed everything that the earlier TABs have caused.
STARTS = {
    "bash": """
        PS1='{prompt} '
        bind 'set show-all-if-ambiguous on'
        bind 'set completion-query-items 0'
        bind 'set page-completions off'
        bind 'set bell-style none'
        bind -x '"\\C-]": echo "told $((++told)): <$READLINE_LINE>"; READLINE_LINE='
        . '{completions}/sockmalloc'
        """,
    "zsh": """
        PS1='{prompt} ' LISTMAX=0
        setopt no_always_last_prompt no_beep no_prompt_sp
        fpath=('{completions}' $fpath)
        autoload -Uz compinit
        compinit -D -u
        tell() {{ zle -I; print -r -- "told $((++told)): <$BUFFER>"; BUFFER=; }}
        zle -N tell
        bindkey -e '^]' tell
        """,
}


class Shell:
    """An interactive shell `name`, whose home directory is `home`. The caller must close it."""

    def __init__(self, name: str, home: Path, completions: Path) -> None:
        (home / f".{name}rc").write_text(STARTS[name].format(prompt=PROMPT, completions=completions))
        line = [settings.tool(name), *(["--rcfile", home / ".bashrc"] if name == "bash" else []), "-i"]
        programs = home / "programs"
        programs.mkdir()
        (programs / "sockmalloc").symlink_to(command.path())
        search = f"{programs}:{command.environment()['PATH']}"
        variables = {"PATH": search, "HOME": str(home), "ZDOTDIR": str(home), "INPUTRC": "/dev/null"}
        environment = command.environment(variables)
        self._terminal = Terminal(line, environment, COLUMNS, LINES, shows_errors=True, directory=home)
        self._told = 0
        self._terminal.wait_for(lambda screen: any(row.startswith(PROMPT) for row in screen))

    def press_tab(self, typed: str) -> tuple[str, list[str]]:
        """Types `typed` and presses TAB. Returns the command line as the shell has completed it, and the rows below it
        in which the shell lists the possible names. There are no rows if at most one name is possible."""
        self._told += 1
        mark = f"told {self._told}: <"
        self._terminal.type(CLEAR + typed.encode() + TAB + TELL)
        screen = self._terminal.wait_for(lambda rows: any(row.startswith(mark) and row[-1] == ">" for row in rows))
        end = next(at for at, row in enumerate(screen) if row.startswith(mark))
        offered = [row for row in screen[:end] if row and not row.startswith(PROMPT)]
        return screen[end].removeprefix(mark)[:-1], offered

    def close(self) -> None:
        self._terminal.close()
