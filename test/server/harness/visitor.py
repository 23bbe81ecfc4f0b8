"""A thread that visits a server again and again, and keeps the error if a visit fails."""
# SPDX-License-Identifier: BSD-2-Clause
import threading
from collections.abc import Callable


class Visitor(threading.Thread):
    """Makes visits until it is stopped or a visit fails. Each visit gets its number, which counts from 0."""

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
        """Makes the thread begin no further visit, and waits until its present visit has ended."""
        self._ended.set()
        self.join()

    def end(self) -> None:
        """Does what `stop` does. Then raises the error again if a visit has failed."""
        self.stop()
        if self.failure is not None:
            raise self.failure
