"""What can be put on a server of the table: each gives the traffic for a row."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
from collections.abc import Iterator

from . import dns, echo, ftp, mariadb, mqtt, ntp, postgres, ssh, store, web
from .place import Place
from .row import Traffic


def http(load: web.Load) -> Traffic:
    return lambda place: load.held(place.port)


def cached(load: web.Load) -> Traffic:
    """Every body is fetched from behind the cache once, however often this traffic comes."""

    @contextlib.contextmanager
    def held(place: Place) -> Iterator[None]:
        with load.held(place.port):
            asked = place.origin.asked
            wanted = {f"/bytes/{size}": 1 for size in load.sizes}
            if asked != wanted:
                raise AssertionError(f"the cache asked {asked} times instead of {wanted}")
            yield

    return held


def https(load: web.Load) -> Traffic:
    return lambda place: load.held(place.port, place.tls.client_context())


def echoes(load: echo.EchoLoad) -> Traffic:
    return lambda place: load.held(lambda: echo.direct(place.port))


def values(load: store.StoreLoad, connect: store.Connect) -> Traffic:
    return lambda place: load.held(connect, place.port)


def messages(load: mqtt.MqttLoad) -> Traffic:
    return lambda place: load.held(place.port)


def texts(load: dns.Load) -> Traffic:
    return lambda place: load.held(place.port)


def files(load: ftp.Load) -> Traffic:
    return lambda place: load.held(place.port)


def questions_of_time(load: ntp.Load) -> Traffic:
    return load.held


def sessions(load: ssh.Load) -> Traffic:
    return load.held


def proxied(load: web.Load, tunnels: echo.EchoLoad) -> Traffic:
    """HTTP to the first port, and tunnels to a server of echoes through the second."""

    @contextlib.contextmanager
    def held(place: Place) -> Iterator[None]:
        with load.held(place.port):
            with tunnels.held(lambda: echo.tunnel(place.second_port, place.echo)):
                yield

    return held


def has_database(place: Place) -> bool:
    """Makes the table for the values: MariaDB accepts connections only when it is ready."""
    client = mariadb.MariaDB(place.port)
    with contextlib.closing(client):
        client.run(mariadb.DATABASE)
        client.run(mariadb.TABLE)
    return True


def has_table(place: Place) -> bool:
    """Whether PostgreSQL takes clients yet; then it has the table for their values, too."""
    try:
        client = postgres.Postgres(place.port)
    except postgres.Refused:
        return False
    with contextlib.closing(client):
        client.run(postgres.TABLE)
    return True
