"""Defines the traffic that the rows of the table of servers use."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
from collections.abc import Iterator

from . import dns, echo, ftp, mariadb, mqtt, ntp, postgres, ssh, store, web
from .place import Place
from .row import Traffic


def http(load: web.Load) -> Traffic:
    return lambda place: load.held(place.port)


def cached(load: web.Load) -> Traffic:
    """Fetches bodies through a proxy with a cache, and checks that the cache has requested each body only once from the
    server behind it, however often the traffic runs."""

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
    """Sends HTTP requests to the proxy's first port. Through its second port, opens tunnels to a server that sends
    every byte back."""

    @contextlib.contextmanager
    def held(place: Place) -> Iterator[None]:
        with load.held(place.port):
            with tunnels.held(lambda: echo.tunnel(place.second_port, place.echo)):
                yield

    return held


def has_database(place: Place) -> bool:
    """Connects to MariaDB, and makes the database and the table in which the traffic stores its values. Always returns
    true, which means that the server is ready: it has accepted the connection."""
    client = mariadb.MariaDB(place.port)
    with contextlib.closing(client):
        client.run(mariadb.DATABASE)
        client.run(mariadb.TABLE)
    return True


def has_table(place: Place) -> bool:
    """Returns false while PostgreSQL refuses connections. Otherwise makes the table in which the traffic stores its
    values, and returns true."""
    try:
        client = postgres.Postgres(place.port)
    except postgres.Refused:
        return False
    with contextlib.closing(client):
        client.run(postgres.TABLE)
    return True
