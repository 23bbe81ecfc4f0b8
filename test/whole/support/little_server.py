"""A small server for tests of `sockmalloc compare`. The server speaks HTTP or RESP (the protocol of redis), and fails
on request.

usage: little_server.py MARK [WORD...]
MARK is a text by which a test finds the processes. Each WORD changes what the server does:
  http     listens on a free port and answers GET: /small with 1 KiB, /missing with status 404, and any other path
           with 512 KiB
  resp     listens on a free port and answers PING, SET and GET
  second   listens on one more port and says nothing there
  daemon   becomes a daemon: a child of a child listens, and the first process ends
  refuse   ends with status 3 if a library with `bad` in its name is preloaded
  leave    ends with status 4 at the first request for /leave
"""

# SPDX-License-Identifier: BSD-2-Clause
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SMALL = b"s" * 1024
LARGE = b"l" * (512 * 1024)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/leave" and "leave" in sys.argv:
            os._exit(4)
        body = SMALL if self.path == "/small" else LARGE
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_arguments: object) -> None:
        """Ignores the error that ended a connection, because clients may close a connection early, as the slow clients
        of `compare` do."""


def serve_client(client: socket.socket, values: dict[bytes, bytes]) -> None:
    stream = client.makefile("rb")
    while line := stream.readline():
        if line == b"PING\r\n":
            client.sendall(b"+PONG\r\n")
        elif line.startswith(b"*"):
            words = []
            for _ in range(int(line[1:])):
                size = int(stream.readline()[1:])
                words.append(stream.read(size + 2)[:-2])
            if words[0] == b"SET":
                values[words[1]] = words[2]
                client.sendall(b"+OK\r\n")
            else:
                value = values.get(words[1])
                client.sendall(b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value))


def guard(client: socket.socket, values: dict[bytes, bytes]) -> None:
    try:
        serve_client(client, values)
    except OSError:
        pass  # the client has closed the connection early


def serve_resp() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    values: dict[bytes, bytes] = {}
    while True:
        client, _address = listener.accept()
        threading.Thread(target=guard, args=(client, values), daemon=True).start()


def become_daemon() -> None:
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
    if os.fork() != 0:
        os._exit(0)


def main() -> None:
    words = sys.argv[2:]
    if "refuse" in words and "bad" in os.environ.get("LD_PRELOAD", ""):
        print("this library is bad", file=sys.stderr)
        sys.exit(3)
    if "daemon" in words:
        become_daemon()
    if "second" in words:
        second = socket.create_server(("127.0.0.1", 0))
        second.settimeout(None)
    if "http" in words:
        HttpServer(("127.0.0.1", 0), Handler).serve_forever()
    elif "resp" in words:
        serve_resp()
    else:
        time.sleep(600)


main()
