"""Drives a headless Chromium through a pipe, by its debugging protocol, so that no port is needed."""
# SPDX-License-Identifier: BSD-2-Clause
import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 120.0
MISSING = "there is no Chromium: scripts/install-packages browser installs it"


def find() -> str | None:
    """Returns the path of a Chromium, or None if there is none."""
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


class Browser:
    """A browser with one page. `complaints` lists the page's exceptions, its messages in the console and in the log,
    and the addresses that the page has requested, apart from those of local files."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="browser-")
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # Chromium reads its orders from descriptor 3 and writes its answers to descriptor 4. The pipe ends that it gets
        # are first copied to descriptors above 9, because the shell's redirections would close an end that is 3 or 4.
        passed = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, to_write)]
        command = f'exec "$@" 3<&{passed[0]} 4>&{passed[1]}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, "browser", find() or "chromium", "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe",
             f"--user-data-dir={self._directory.name}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=passed, env={**os.environ, "HOME": self._directory.name},
        )  # fmt: skip
        for end in (to_read, to_write, *passed):
            os.close(end)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self._loaded = False
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """Ends the browser, and waits until no process has the other end of the pipe open, because then all processes
        of the browser have ended."""
        self._session = None
        with contextlib.suppress(EOFError, OSError):
            self.call("Browser.close")
            while True:
                self._read()
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._directory.cleanup()

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + ANSWER_SECONDS
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self._from, 1 << 20)
            if part == b"":
                raise EOFError("the browser has ended")
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.complaints.append(json.dumps(parameters))
        elif method == "Network.requestWillBeSent" and not parameters["request"]["url"].startswith("file:"):
            self.complaints.append(parameters["request"]["url"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def open(self, page: Path) -> None:
        self._loaded = False
        self.call("Page.navigate", url=page.as_uri())
        while not self._loaded:
            self._note(self._read())

    def value(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression. If the value is a promise, waits for its result."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def settle(self) -> None:
        """Waits until the browser has drawn the page twice, so that the last change of the page is visible."""
        self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def resize(self, width: int, height: int = 900) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str) -> None:
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def screenshot(self, path: Path) -> None:
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
