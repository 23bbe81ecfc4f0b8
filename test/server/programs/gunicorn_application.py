"""A web application that gunicorn serves: answers GET /bytes/N with bodies.body(N), and POST with the body that it
received."""
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


# Many applications start a program when they are loaded. gunicorn's worker has set its signal handlers before it loads
# the application, and must still have them afterwards.
subprocess.run(["true"], check=True)
