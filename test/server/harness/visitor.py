"""A thread that repeats one visit to a server, and remembers what went wrong."""
# SPDX-License-Identifier: BSD-2-Clause
import threading
from collections.abc import Callable


class Visitor(threading.Thread):
    """Makes visits, each told its number from 0, until it is told to end or one goes wrong."""

    def __init__(self, visit: Callable[[int], None]) -> None:
        super().__init__()
        self.visits = 0
        self.failure: BaseException | None = None
        self._visit = visit
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            while not self._ended.is_set():
                self._visit(self.visits)
                self.visits += 1
        except BaseException as failure:
            self.failure = failure

    def stop(self) -> None:
        """Waits for the visit under way."""
        self._ended.set()
        self.join()

    def end(self) -> None:
        """The same, and passes on what went wrong."""
        self.stop()
        if self.failure is not None:
            raise self.failure
