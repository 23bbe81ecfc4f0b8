"""GET /bytes/N answers with bodies.body(N), POST with the body that came."""
# SPDX-License-Identifier: BSD-2-Clause
import hashlib
import subprocess


def application(environment, start_response):
    if environment["REQUEST_METHOD"] == "POST":
        body = environment["wsgi.input"].read(int(environment["CONTENT_LENGTH"]))
    else:
        size = int(environment["PATH_INFO"].removeprefix("/bytes/"))
        body = hashlib.shake_128(f"body of {size}".encode()).digest(size)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


# Many applications ask a program for something when they are loaded, which is after the worker has
# set its handlers of signals. They have to be there afterwards, too.
subprocess.run(["true"], check=True)
