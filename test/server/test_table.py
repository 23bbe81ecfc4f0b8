"""Tests each server that has a row in the table below: the server must serve under the library, write its statistics
when a signal requests them, and stop well."""
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import shutil
import signal
from collections.abc import Callable

from harness import dns, effects, ftp, git, mariadb, ntp, postgres, processes, settings, ssh, traffic, waiting, web
from harness.case import send
from harness.echo import EchoLoad
from harness.fastcgi import BodyLoad
from harness.memcached import Memcached
from harness.mqtt import MqttLoad
from harness.place import Place
from harness.resp import Redis
from harness.row import Own, Row
from harness.store import StoreLoad
from harness.table import TableCase

PAGES = web.Load(sizes=(200 * 1024, 4096, 65_536, 17_000, 131_072, 500, 1 << 20), connections=8, rounds=8)
VALUES = StoreLoad(sizes=(16_000, 16_384, 65_536, 4096, 250_000, 900_000))
RECORDS = StoreLoad(sizes=VALUES.sizes, clients=4, rounds=6)
ECHOES = EchoLoad(sizes=(4096, 300_000, 65_536, 1 << 20))
TEXTS = dns.Load(sizes=(100, 500, 1000, 4000, 16_000, 30_000, 60_000))
FILES = ftp.Load(sizes=(100, 4096, 65_536, 300_000, 1 << 20, 3_000_000))
QUESTIONS = ntp.Load(addresses=4000)
SESSIONS = ssh.Load(sizes=(3_000_000, 100, 65_536, 300_000, 1 << 20))
# sshd accepts packets of at most 256 KiB.
STRANGE_SIZES = (100, 4096, 65_000, 200_000, 250_000, 30_000)
STRANGE_ROUNDS = 8
MESSAGES = MqttLoad(sizes=(65_536, 4096, 300_000, 20_000))
PHP_BODIES = BodyLoad(
    script="php_bodies.php",
    ways=(
        *("none", "xml", "sqlite", "zlib", "bz2", "openssl", "curl"),
        *("zip", "xslt", "iconv", "intl", "gmp", "serialize"),
    ),
    sizes=(100, 3_000_000, 16_384, 65_536, 5000, 900_000, 200_000),
    connections=2,  # one connection for each worker of php-fpm, because a worker stays with its connection
    rounds=26,
)

# The PHP extensions that Debian's web applications need. PHP loads each of them with RTLD_DEEPBIND.
PHP_PACKAGES = tuple(
    f"php-{name}"
    for name in (
        *("apcu", "bcmath", "bz2", "cli", "curl", "fpm", "gd", "gmp", "igbinary", "imap", "intl", "ldap", "mbstring"),
        *("memcached", "mysql", "pgsql", "redis", "soap", "sqlite3", "tidy", "xml", "zip"),
    )
)

# In some rows SIGUSR1 has an effect on the server that would disturb the test of its traffic. In those rows statistics
# are requested by this signal, which has no effect on the server.
QUIET = "SIGRTMIN+5"
# how many threads of each of Apache's children serve clients; two more threads of each child listen and wait
APACHE_THREADS = 20


def make_cluster(place: Place) -> None:
    place.run(f"{place.postgres}/initdb --no-sync -A trust -U {postgres.USER} -D cluster")


def lay_php(place: Place) -> None:
    """Copies the script to a folder where the server's account can read it."""
    shutil.copy(place.programs / PHP_BODIES.script, place.data)


def make_base(place: Place) -> None:
    """Makes an empty directory, in which MariaDB makes its data files. There is no table of accounts, so no password is
    needed."""
    place.run("mkdir base")


def make_files(place: Place) -> None:
    """Makes two directories for vsftpd: its root, where an anonymous user can write only below `files`, and an empty
    one, which is the value of vsftpd's option secure_chroot_dir."""
    place.run("mkdir --parents root/files empty")
    place.run("chmod a-w root empty")


def blocks_everywhere(pid: int) -> bool:
    """Returns true if all threads of Apache's child have been started and block SIGUSR1."""
    threads = processes.threads(pid)
    try:
        blocked = [signal.SIGUSR1 in processes.signals(thread, "SigBlk") for thread in threads]
    except FileNotFoundError:  # a thread has ended while its files were read, so the child is still starting
        return False
    return len(threads) > APACHE_THREADS and all(blocked)


ROWS = (
    Row(
        name="nginx_http",
        packages=("nginx-light",),
        configuration=("nginx-http.conf",),
        command="nginx -p @data@ -c @directory@/nginx-http.conf -e @data@/error.log",
        account="www-data",
        processes=3,
        traffic=traffic.http(PAGES),
        requests=PAGES.exchanges(),
        own=Own("reopens its logs", effects.reopens("access.log")),
        stop=signal.SIGQUIT,
    ),
    Row(
        name="nginx_tls",
        packages=("nginx-light", "openssl"),
        configuration=("nginx-tls.conf",),
        command="nginx -p @data@ -c @directory@/nginx-tls.conf -e @data@/error.log",
        account="www-data",
        processes=3,
        traffic=traffic.https(PAGES),
        requests=PAGES.exchanges(),
        own=Own("reopens its logs", effects.reopens("access.log")),
        stop=signal.SIGQUIT,
    ),
    Row(
        name="nginx_stream",
        packages=("nginx-light", "libnginx-mod-stream"),
        configuration=("nginx-stream.conf",),
        command="nginx -p @data@ -c @directory@/nginx-stream.conf -e @data@/error.log",
        account="www-data",
        processes=3,
        traffic=traffic.echoes(ECHOES),
        requests=2 * ECHOES.connections,  # each connection needs two buffers, one for each direction
        own=Own("reopens its logs", effects.reopens("access.log")),
        stop=signal.SIGQUIT,
    ),
    Row(
        name="redis",
        packages=("redis-server", "python3-redis"),
        command="redis-server --bind 127.0.0.1 --port @port@ --dir @data@ --save '' --appendonly no",
        traffic=traffic.values(VALUES, Redis),
        requests=2 * VALUES.values(),
        own=Own("goes on", effects.goes_on),
    ),
    Row(
        name="haproxy",
        packages=("haproxy",),
        configuration=("haproxy.cfg",),
        command="haproxy -db -dMno-cache -f @directory@/haproxy.cfg",
        account="haproxy",
        traffic=traffic.http(PAGES),
        requests=2 * PAGES.exchanges(),
        asks=QUIET,
        own=Own("ends when all is done", effects.stops_listening, ends_it=True),
        stop=signal.SIGUSR1,
    ),
    Row(
        name="memcached",
        packages=("memcached", "python3-pymemcache"),
        command="memcached -l 127.0.0.1 -p @port@ -U 0 -t 2 -u @account@",
        account="memcache",
        traffic=traffic.values(VALUES, Memcached),
        requests=20,
        keeps="each thread caches its read buffers, and pages of items are never freed",
        slack=4,
        asks=QUIET,
        own=Own("ends", effects.stops_listening, ends_it=True),
    ),
    Row(
        name="varnish",
        packages=("varnish", "gcc"),  # varnish compiles its configuration with gcc
        command="varnishd -F -j none -n @data@ -a 127.0.0.1:@port@ -b 127.0.0.1:@upstream@"
        " -s malloc,64m -t 3600 -p thread_pools=1 -p thread_pool_min=12 -p thread_pool_max=24",
        account="varnish",
        changes_account=False,
        processes=2,
        traffic=traffic.cached(PAGES),
        requests=PAGES.exchanges() // 4,
        slack=4,
        outside="its child takes the end of a wait by any signal for the end of its manager",
        own=Own("goes on, with all that it has in its cache", effects.goes_on),
    ),
    # In Debian, Apache's runtime library maps its memory itself, so httpd's own buffers do not come from malloc. Only
    # OpenSSL's buffers do.
    Row(
        name="apache_event",
        packages=("apache2-bin", "openssl"),
        configuration=("apache-event.conf",),
        command="apache2 -DFOREGROUND -f @directory@/apache-event.conf",
        account="www-data",
        processes=3,
        traffic=traffic.https(PAGES),
        requests=PAGES.exchanges(),
        # Apache's children block every signal except SIGTERM, so SIGTERM requests their statistics. The handler of
        # SIGTERM does nothing in a child; in the parent it stops Apache.
        asks="SIGTERM",
        asks_master=False,
        own=Own("restarts when all is done", effects.replaces_children),
    ),
    Row(
        name="apache_prefork",
        packages=("apache2-bin", "openssl"),
        configuration=("apache-prefork.conf",),
        command="apache2 -DFOREGROUND -f @directory@/apache-prefork.conf",
        account="www-data",
        processes=9,
        traffic=traffic.https(PAGES),
        requests=PAGES.exchanges(),
        asks=QUIET,
        own=Own("restarts when all is done", effects.replaces_children),
    ),
    Row(
        name="squid",
        packages=("squid",),
        configuration=("squid.conf",),
        command="squid --foreground -f @directory@/squid.conf",
        account="proxy",
        # If root started squid, its master would execute the worker with different real and effective users. In such a
        # process the dynamic linker ignores LD_PRELOAD. So the test does not start squid as root, but under squid's own
        # account.
        changes_account=False,
        ports=2,
        processes=2,
        traffic=traffic.proxied(PAGES, ECHOES),
        requests=PAGES.exchanges() + 2 * ECHOES.connections,
        slack=4,  # squid's own tables grow and shrink, so a few more slots may be live
        asks=QUIET,
        own=Own("rotates its logs", effects.writes("access.log.0")),
    ),
    Row(
        name="mosquitto",
        packages=("mosquitto", "python3-paho-mqtt"),
        configuration=("mosquitto.conf",),
        command="mosquitto -c @directory@/mosquitto.conf",
        account="mosquitto",
        traffic=traffic.messages(MESSAGES),
        requests=MESSAGES.messages(),
        own=Own("saves its database", effects.writes("mosquitto.db")),
    ),
    Row(
        name="lighttpd",
        packages=("lighttpd",),
        configuration=("lighttpd.conf",),
        command="lighttpd -D -f @directory@/lighttpd.conf",
        account="www-data",
        traffic=traffic.http(PAGES),
        requests=10,
        keeps="free chunks wait in lists of its own",
        slack=4,
        asks=QUIET,
        own=Own("restarts when all is done", effects.says("server started", "error.log")),
        stop=signal.SIGINT,  # after a restart and some traffic, lighttpd would exit with status 1 on SIGTERM
    ),
    Row(
        name="node",
        packages=("nodejs",),
        command="node --expose-gc --inspect-port=0 @programs@/node_upstream.js @port@",
        traffic=traffic.http(PAGES),
        requests=PAGES.exchanges(),
        slack=16,  # V8 generates code and collects data about the program for a while, so more slots may be live
        asks=QUIET,
        own=Own("opens its inspector", effects.says("Debugger listening")),
    ),
    Row(
        name="asyncio",
        packages=("python3",),
        command="@python@ @programs@/asyncio_echo.py @port@",
        traffic=traffic.echoes(ECHOES),
        requests=ECHOES.exchanges(),
        own=Own("goes on", effects.goes_on),
    ),
    Row(
        name="php_fpm",
        packages=PHP_PACKAGES,
        configuration=("php-fpm.conf",),
        prepare=lay_php,
        command="@php_fpm@ -F -y @directory@/php-fpm.conf",
        account="www-data",
        processes=3,
        traffic=PHP_BODIES.held,
        requests=2 * PHP_BODIES.exchanges(),
        asks=QUIET,
        own=Own("reopens its logs", effects.reopens("php-fpm.log")),
        stop=signal.SIGQUIT,
    ),
    # Runs PHP without PHP's own allocator, so that it uses malloc directly.
    Row(
        name="php_fpm_by_malloc",
        packages=PHP_PACKAGES,
        configuration=("php-fpm.conf",),
        prepare=lay_php,
        command="env USE_ZEND_ALLOC=0 @php_fpm@ -F -y @directory@/php-fpm.conf",
        account="www-data",
        processes=3,
        traffic=PHP_BODIES.held,
        requests=10 * PHP_BODIES.exchanges(),
        asks=QUIET,
        own=None,
        stop=signal.SIGQUIT,
    ),
    Row(
        name="postgres",
        packages=("postgresql", "python3-psycopg2"),
        configuration=("postgresql.conf", "pg_hba.conf"),
        prepare=make_cluster,
        command="@postgres@/postgres -D @data@/cluster -c config_file=@directory@/postgresql.conf"
        " -c hba_file=@directory@/pg_hba.conf",
        account="postgres",
        changes_account=False,
        processes=4,
        guests=RECORDS.clients,
        ready=traffic.has_table,
        traffic=traffic.values(RECORDS, postgres.Postgres),
        requests=2 * RECORDS.values(),
        asks=QUIET,
        own=Own("wakes its processes by it, too", effects.passes_notifications),
        stop=signal.SIGINT,
    ),
    Row(
        name="vsftpd",
        packages=("vsftpd",),
        configuration=("vsftpd.conf",),
        prepare=make_files,
        command="vsftpd @directory@/vsftpd.conf",
        account="ftp",
        guests=FILES.sessions * (2 if os.geteuid() == 0 else 1),
        traffic=traffic.files(FILES),
        requests=FILES.sessions * FILES.rounds,
        outside="in the root that they change to there is no file for a table",
        own=Own("goes on", effects.goes_on),
        status=-signal.SIGTERM,
    ),
    Row(
        name="sshd",
        packages=("openssh-server", "openssh-client"),
        configuration=("sshd_config",),
        prepare=ssh.prepare,
        command="@sshd@ -D -e -f @directory@/sshd_config",
        account="nobody",
        guests=SESSIONS.sessions * (2 if os.geteuid() == 0 else 3),
        traffic=traffic.sessions(SESSIONS),
        requests=100,
        asks=QUIET,
        own=Own("goes on", effects.goes_on),
    ),
    Row(
        name="chronyd",
        packages=("chrony",),
        configuration=("chrony.conf",),
        prepare=ntp.make_directory,
        command="chronyd -U -u @account@ -x -d -F 1 -f @directory@/chrony.conf",
        account="_chrony",
        changes_account=False,
        datagrams=True,
        processes=2,
        traffic=traffic.questions_of_time(QUESTIONS),
        requests=5,
        keeps="its table of clients grows with the first traffic, and stays",
        outside="what it does is held to a filter, so that no dump can come",
        own=None,
    ),
    Row(
        name="mariadb",
        packages=("mariadb-server-core",),
        configuration=("mariadb.cnf",),
        prepare=make_base,
        command="mariadbd --defaults-file=@directory@/mariadb.cnf",
        account="daemon",
        changes_account=False,
        ready=traffic.has_database,
        traffic=traffic.values(VALUES, mariadb.MariaDB),
        requests=2 * VALUES.values(),
        # InnoDB's tables of its buffers grow and shrink, and the server keeps threads of ended connections for new
        # ones: on a busy machine it needs more threads at a time
        slack=16,
        asks=QUIET,
        own=Own("goes on", effects.goes_on),
    ),
    Row(
        name="unbound",
        packages=("unbound",),
        configuration=("unbound.conf",),
        prepare=dns.prepare(TEXTS.sizes),
        command="unbound -d -c @directory@/unbound.conf",
        account="unbound",
        changes_account=False,
        traffic=traffic.texts(TEXTS),
        requests=40,
        keeps="each connection that it can have has its buffer from the start",
        asks=QUIET,
        own=Own("goes on", effects.goes_on),
    ),
    Row(
        name="gunicorn",
        packages=("gunicorn",),
        command="gunicorn --workers 2 --bind 127.0.0.1:@port@ --pythonpath @programs@"
        " --worker-tmp-dir /dev/shm --error-logfile @data@/error.log"
        " --access-logfile @data@/access.log --access-logformat %(p)s"
        " gunicorn_application:application",
        processes=3,
        traffic=traffic.http(PAGES),
        requests=PAGES.exchanges(),
        asks=QUIET,
        own=Own("reopens its logs in each worker", effects.reopens_everywhere("access.log")),
    ),
    # This row has the same server as the row `lighttpd`, so SIGUSR1 is not tested again. This row adds the processes of
    # git, three for each clone.
    Row(
        name="git_http",
        packages=("lighttpd", "git"),
        configuration=("lighttpd-git.conf",),
        prepare=git.prepare,
        command="lighttpd -D -f @directory@/lighttpd-git.conf",
        account="www-data",
        guests=3,
        traffic=git.held,
        requests=30,
        slack=4,
        asks=QUIET,
        own=None,
        stop=signal.SIGINT,
    ),
)


class Table(TableCase):
    """Tests each row of the table. The code after this class adds one or two tests for each row."""

    def test_packages_are_installed_by_the_script(self) -> None:
        """Checks that scripts/install-packages installs the packages of every row, for its purpose `servers` or
        `test`."""
        listed = settings.packages("servers") | settings.packages("test")
        wanted = {package for row in ROWS for package in row.packages}
        self.assertEqual(wanted - listed, set())

    def test_sshd_reads_in_its_sandbox(self) -> None:
        """Until a client has logged in, sshd reads its packets in a process that may make only very few system calls.
        This process must survive with the library."""
        (row,) = (row for row in ROWS if row.name == "sshd")
        running = self.begin(row, QUIET)
        with contextlib.closing(ssh.Stranger(running.place.port)) as stranger:
            waiting.until(lambda: len(running.server.tree()) == 3, "two processes for a stranger")
            (reader,) = (pid for pid in running.server.tree() if not processes.children(pid))
            for _ in range(STRANGE_ROUNDS):
                for size in STRANGE_SIZES:
                    stranger.ignored(size)
                stranger.check()
            self.assertIn(reader, running.server.tree())
        with row.traffic(running.place):
            pass
        self.finish(row, running)

    def test_chronyd_outlives_the_signal(self) -> None:
        """chronyd's seccomp filter kills the process for any system call that the filter does not allow. SIGUSR1 must
        not make the library make such a call."""
        (row,) = (row for row in ROWS if row.name == "chronyd")
        running = self.begin(row, "SIGUSR1")
        with row.traffic(running.place):
            send([running.server.pid], signal.SIGUSR1)
        with row.traffic(running.place):
            pass
        self.finish(row, running)

    def test_apache_event_children_never_see_it(self) -> None:
        """Apache's children block SIGUSR1 in every thread, and the library unblocks no signal. So a SIGUSR1 to a child
        stays pending and brings no statistics."""
        (row,) = (row for row in ROWS if row.name == "apache_event")
        running = self.begin(row, "SIGUSR1")
        children = self.settled_tree(row, running.server)[1:]
        for child in children:
            waiting.until(lambda: blocks_everywhere(child), "every thread of a child blocks it")
            os.kill(child, signal.SIGUSR1)
        with row.traffic(running.place):
            pass
        for child in children:
            self.assertIn(signal.SIGUSR1, processes.signals(child, "ShdPnd"))
            self.assertFalse((self.dumps / str(child)).exists(), "a dump")
        self.finish(row, running)


def _test(call: Callable[[Table, Row], None], row: Row, words: str) -> Callable[[Table], None]:
    def test(case: Table) -> None:
        call(case, row)

    test.__doc__ = words  # the test runner prints this text when it runs the test
    return test


for _row in ROWS:
    setattr(Table, f"test_{_row.name}_serves", _test(Table.serve, _row, ""))
    if _row.own is not None:
        _words = f"SIGUSR1 brings the dump, and the server {_row.own.words}."
        setattr(Table, f"test_{_row.name}_takes_the_signal", _test(Table.signal, _row, _words))
