"""Makes a git repository of large objects, clones it over HTTP, and begins another clone that waits in the middle."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import hashlib
import http.client
import shutil
from collections.abc import Iterator

from . import bodies
from .place import Place
from .web import Client

# The sizes of the repository's files in bytes. The last file is larger than the buffers of both sockets can get, so
# that git must wait for the client.
SIZES = (4096, 65_536, 300_000, 1 << 20, 5_000_000)
IDENTITY = "-c user.name=Tester -c user.email=tester@localhost"
PATH = "/git/large.git"
# In bytes. When the client has received this many, the pack (the data of the clone) has begun, and its end is still far
# away.
FIRST_BYTES = 200_000


def _content(index: int) -> bytes:
    return bodies.value(f"object {index}", SIZES[index])


def prepare(place: Place) -> None:
    """Makes data/large.git, which has one commit with a file of each size."""
    quick = "-c core.compression=1"
    place.run("git init --quiet source")
    for index in range(len(SIZES)):
        (place.data / "source" / str(index)).write_bytes(_content(index))
    place.run(f"git -C source {quick} add .")
    place.run(f"git -C source {quick} {IDENTITY} commit --quiet -m files")
    # The files have random bytes, so git can neither compress them nor store one as a difference from another. Git
    # refuses the hard links of some file systems, such as gocryptfs, so the clone copies the objects.
    place.run(f"git clone --quiet --bare --no-hardlinks {quick} -c pack.window=0 source large.git")


@contextlib.contextmanager
def held(place: Place) -> Iterator[None]:
    """A context manager: makes one whole clone. Until the caller's `with` statement ends, another clone waits in the
    middle of the pack that it receives."""
    _clone(place)
    client = Client(place.port)
    try:
        answer = _ask_for_pack(client)
        first = answer.read(FIRST_BYTES)
        yield
        check_pack(first + answer.read())
    finally:
        client.close()


def _clone(place: Place) -> None:
    place.run(f"git clone --quiet http://127.0.0.1:{place.port}{PATH} clone")
    for index in range(len(SIZES)):
        got = (place.data / "clone" / str(index)).read_bytes()
        wrong = bodies.difference(got, _content(index))
        if wrong:
            raise AssertionError(f"file {index} of the clone: {wrong}")
    shutil.rmtree(place.data / "clone")


def _ask_for_pack(client: Client) -> http.client.HTTPResponse:
    """Requests the pack, the data of a clone, by the first version of git's protocol, which needs only one request.
    Returns the answer."""
    client.request("GET", f"{PATH}/info/refs?service=git-upload-pack")
    answer = _good_answer(client)
    lines = list(_packets(answer.read()))
    commit = lines[1].split()[0].decode()
    want = _packet(f"want {commit} side-band-64k ofs-delta\n")
    body = want + "0000" + _packet("done\n")
    kind = {"Content-Type": "application/x-git-upload-pack-request"}
    client.request("POST", f"{PATH}/git-upload-pack", body, kind)
    return _good_answer(client)


def _good_answer(client: Client) -> http.client.HTTPResponse:
    answer = client.getresponse()
    if answer.status != 200:
        raise AssertionError(f"status {answer.status}: {answer.read()[:200]!r}")
    return answer


def _packet(text: str) -> str:
    return f"{len(text) + 4:04x}{text}"


def _packets(stream: bytes) -> Iterator[bytes]:
    """Returns the content of each packet of git's protocol, without the empty packets that separate them."""
    at = 0
    while at < len(stream):
        size = int(stream[at : at + 4], 16)
        if size > 4:
            yield stream[at + 4 : at + size]
        at += max(size, 4)


def check_pack(stream: bytes) -> None:
    """Checks the pack (the data of a clone) in the answer. Each packet with a part of the pack begins with a byte 1.
    The last 20 bytes of the pack are the digest of all its other bytes."""
    pack = b"".join(line[1:] for line in _packets(stream) if line[:1] == b"\1")
    if pack[:4] != b"PACK" or hashlib.sha1(pack[:-20]).digest() != pack[-20:]:
        raise AssertionError(f"a pack of {len(pack)} bytes does not agree with its digest")
