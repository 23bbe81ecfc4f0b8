"""Checks that SIGUSR1 keeps the effect that it has on a server without the library, although it now also makes the
library write statistics. Each function is, or returns, a context manager for one such effect. A test enters
it before it sends SIGUSR1, and leaves it afterwards."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
from collections.abc import Callable, Iterator

from . import processes, waiting
from .postgres import Postgres
from .row import Effect, Running

EFFECT_SECONDS = 180.0


def _await(running: Running, look: Callable[[], bool], what: str) -> None:
    waiting.until(look, f"{running.server.name} {what}", EFFECT_SECONDS)


@contextlib.contextmanager
def goes_on(running: Running) -> Iterator[None]:
    """Checks that the same processes of the server run before and after the test sends SIGUSR1."""
    tree = running.server.tree()
    yield
    if running.server.tree() != tree:
        raise AssertionError(f"{running.server.name} replaced a process")


@contextlib.contextmanager
def stops_listening(running: Running) -> Iterator[None]:
    """Checks that the server accepts no connection any more after SIGUSR1. Another check, in table.py, shows that the
    server ends."""
    yield
    port = running.place.port
    _await(running, lambda: not waiting.accepts(port), "stops listening")


@contextlib.contextmanager
def replaces_children(running: Running) -> Iterator[None]:
    former = set(running.server.children())
    yield

    def replaced() -> bool:
        present = set(running.server.children())
        return bool(present) and not former & present

    _await(running, replaced, "has new children")


@contextlib.contextmanager
def passes_notifications(running: Running) -> Iterator[None]:
    """Checks that PostgreSQL's processes can wake each other by SIGUSR1: one notification arrives before the test sends
    SIGUSR1, and another one after it."""
    listener, notifier = Postgres(running.place.port), Postgres(running.place.port)
    with contextlib.closing(listener), contextlib.closing(notifier):
        listener.run("LISTEN news")
        _notify(notifier, listener)
        yield
        _notify(notifier, listener)


def _notify(notifier: Postgres, listener: Postgres) -> None:
    notifier.run("NOTIFY news")
    channel = listener.notification()
    if channel != "news":
        raise AssertionError(f"a notification of {channel}")


def reopens(name: str) -> Effect:
    """Moves the server's log away, and checks that the server makes a new log after SIGUSR1."""

    @contextlib.contextmanager
    def effect(running: Running) -> Iterator[None]:
        log = running.place.data / name
        log.rename(log.with_suffix(".moved"))
        yield
        _await(running, log.exists, f"makes {name} anew")

    return effect


def reopens_everywhere(name: str) -> Effect:
    """Moves the server's log away. Checks that after SIGUSR1 every process of the server has closed this log and opened
    a new one."""

    @contextlib.contextmanager
    def effect(running: Running) -> Iterator[None]:
        log = running.place.data / name
        moved = log.rename(log.with_suffix(".moved"))
        tree = running.server.tree()
        yield

        def reopened() -> bool:
            files = [processes.files(pid) for pid in tree]
            return all(str(log) in each and str(moved) not in each for each in files)

        _await(running, reopened, f"has {name} open anew in every process")
        if running.server.tree() != tree:
            raise AssertionError(f"{running.server.name} replaced a process")

    return effect


def writes(name: str) -> Effect:
    """Checks that there is no file `name` before the test sends SIGUSR1, and that the server writes this file
    afterwards."""

    @contextlib.contextmanager
    def effect(running: Running) -> Iterator[None]:
        path = running.place.data / name
        if path.exists():
            raise AssertionError(f"{name} is there before the signal")
        yield
        _await(running, path.exists, f"writes {name}")

    return effect


def says(words: str, log: str | None = None) -> Effect:
    """Checks that the server writes the words `words` once more after SIGUSR1: to its output, or to the file `log` if
    one is named."""

    @contextlib.contextmanager
    def effect(running: Running) -> Iterator[None]:
        def count() -> int:
            text = (running.place.data / log).read_text() if log else running.server.output()
            return text.count(words)

        before = count()
        yield
        _await(running, lambda: count() > before, f"says {words!r}")

    return effect
