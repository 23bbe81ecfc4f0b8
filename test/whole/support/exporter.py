"""Runs `sockmalloc exporter`, and reads the metrics that it serves."""
# SPDX-License-Identifier: BSD-2-Clause
import http.client
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from . import command

DEADLINE_SECONDS = 120
SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# Maps the name of each metric to a list of pairs. The first of a pair is a dictionary of labels, without the label
# `bucket`. The second is the sum, over all buckets, of the metric's values with these labels.
Samples = dict[str, list[tuple[dict[str, str], float]]]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Exporter:
    """Runs `sockmalloc exporter`. The exporter listens on a free port of 127.0.0.1, unless the arguments name an
    address, a socket or a folder for a text file."""

    def __init__(self, *arguments: object, prepare: Callable[[], None] | None = None,
                 prefix: Sequence[str] = ()) -> None:
        words = list(map(str, arguments))
        if not {"--listen", "--unix", "--textfile"} & set(words):
            words = ["--listen", "127.0.0.1:0", *words]
        self.process = subprocess.Popen(
            [*prefix, command.path(), "exporter", *words], env=command.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=prepare,
        )
        assert self.process.stdout is not None
        self.says = "" if "--textfile" in words else self.process.stdout.readline()

    def connection(self) -> http.client.HTTPConnection:
        place = self.says.removeprefix("listening on ").rstrip("\n")
        if place.startswith("/"):
            return UnixConnection(Path(place))
        return http.client.HTTPConnection(place.removeprefix("http://").partition("/")[0], timeout=DEADLINE_SECONDS)

    def ask(self, path: str, method: str = "GET") -> tuple[int, str, str]:
        """Requests a page from the exporter. Returns the status, the content type and the body of the HTTP answer."""
        connection = self.connection()
        connection.request(method, path)
        answer = connection.getresponse()
        result = answer.status, answer.getheader("Content-Type", ""), answer.read().decode("ascii")
        connection.close()
        return result

    def page(self, query: str = "") -> str:
        status, kind, text = self.ask(f"/metrics{query}")
        if status != 200 or not kind.startswith("text/plain; version=0.0.4"):
            raise AssertionError(f"{status} {kind}: {text}")
        return text

    def samples(self, query: str = "") -> Samples:
        return samples(self.page(query))

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Sends the exporter a signal, and waits for its end. Returns its exit status and the text that it has printed
        on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, said

    def dismiss(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def samples(page: str) -> Samples:
    """Returns the samples in a page of metrics, with their values summed up over the buckets."""
    found: Samples = {}
    for line in page.splitlines():
        if line.startswith("#"):
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample is not None, line
        labels = dict(LABEL.findall(sample[2] or ""))
        labels.pop("bucket", None)
        same = [entry for entry in found.setdefault(sample[1], []) if entry[0] == labels]
        before = same[0][1] if same else 0
        found[sample[1]] = [entry for entry in found[sample[1]] if entry not in same]
        found[sample[1]].append((labels, before + float(sample[3])))
    return found


def value(found: Samples, metric: str, **labels: str) -> float:
    """Returns the sum of a metric's values over all samples that have these labels."""
    return sum(number for have, number in found.get(metric, []) if labels.items() <= have.items())


def be_nobody() -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
