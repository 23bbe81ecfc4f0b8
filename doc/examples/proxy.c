/*
 * A TCP proxy whose buffers come from a fixed-size pool. The pool gets its memory from the program's own allocator,
 * which divides one area that is mapped at the start, with huge pages if the kernel has them. When the area is used up,
 * the proxy closes the connections of further clients, and never takes more memory for buffers.
 *
 * usage: proxy PORT
 * Serves on a free port of 127.0.0.1, which is the first line on stdout. Connects each client to PORT of 127.0.0.1, and
 * passes all bytes on in both directions. Ends when stdin ends, and prints how many bytes of the area the pool has got.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sockmalloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 16384, CHUNK = 16 * BUFFER, AREA = 2 << 20 }; /* sizes in bytes */

/* --- the program's own allocator ---------------------------------------------------------------------------------- */

static char *area;
static _Atomic size_t area_used;

/* Returns the next free piece of the area, or NULL if the area is used up. The pool calls it for each chunk. */
static void *area_allocate(void *unused, size_t size, size_t alignment)
{
    (void)unused;
    size_t needed = (size + alignment - 1) / alignment * alignment; /* rounded up, so each piece is aligned */
    size_t start = atomic_fetch_add(&area_used, needed);
    if (needed > AREA || start > AREA - needed) {
        atomic_fetch_sub(&area_used, needed);
        return NULL;
    }
    return area + start;
}

/* Does nothing, because the pool never gives a chunk back (SOCKMALLOC_POOL_NEVER). */
static void area_release(void *unused, void *start, size_t size)
{
    (void)unused;
    (void)start;
    (void)size;
}

/* --- the proxy ---------------------------------------------------------------------------------------------------- */

struct connection {
    int client, server;
    atomic_int ways; /* number of directions, from the client or from the server, that are still open */
};

static struct sockmalloc_pool *pool;
static struct sockaddr_in target = {.sin_family = AF_INET};

static bool send_all(int to, const char *bytes, size_t size)
{
    ssize_t sent = 1;
    for (; size > 0 && sent > 0; bytes += sent, size -= (size_t)sent) {
        sent = send(to, bytes, size, MSG_NOSIGNAL);
    }
    return sent > 0;
}

/* Passes on the bytes of one direction until they end. The direction that ends last closes the connection. */
static void pump(struct connection *connection, int from, int to)
{
    char *buffer = sockmalloc_pool_alloc(pool);
    bool open = buffer != NULL;
    while (open) {
        ssize_t size = recv(from, buffer, BUFFER, 0);
        open = size > 0 && send_all(to, buffer, (size_t)size);
    }
    shutdown(to, SHUT_WR);
    sockmalloc_pool_free(pool, buffer);
    if (atomic_fetch_sub(&connection->ways, 1) == 1) {
        close(connection->client);
        close(connection->server);
        free(connection);
    }
}

static void *pump_back(void *argument)
{
    struct connection *connection = argument;
    pump(connection, connection->server, connection->client);
    return NULL;
}

static void *serve(void *argument)
{
    struct connection *connection = argument;
    pthread_t back;
    connection->server = socket(AF_INET, SOCK_STREAM, 0);
    bool connected = connect(connection->server, (struct sockaddr *)&target, sizeof target) == 0;
    if (!connected || pthread_create(&back, NULL, pump_back, connection) != 0) {
        connection->ways = 1;
        shutdown(connection->client, SHUT_RDWR);
    } else {
        pthread_detach(back);
    }
    pump(connection, connection->client, connection->server);
    return NULL;
}

static int open_port(void)
{
    socklen_t length = sizeof target;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = target.sin_addr};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    bool open = bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 64) == 0;
    printf("%d\n",
           open && getsockname(listener, (struct sockaddr *)&address, &length) == 0 ? ntohs(address.sin_port) : 0);
    fflush(stdout);
    return listener;
}

int main(int count, char **arguments)
{
    struct sockmalloc_pool_options options = SOCKMALLOC_POOL_OPTIONS;
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.sin_port = htons((in_port_t)(count == 2 ? atoi(arguments[1]) : 0));
    area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    options.block = BUFFER;
    options.chunk = CHUNK;
    options.kind = SOCKMALLOC_POOL_LOCKFREE; /* so that no thread keeps free blocks that others need */
    options.source = (struct sockmalloc_pool_source){area_allocate, area_release, NULL};
    pool = area != MAP_FAILED ? sockmalloc_pool_create(&options) : NULL;
    if (pool == NULL || target.sin_port == 0) {
        fputs("usage: proxy PORT\n", stderr);
        return 2;
    }
    madvise(area, AREA, MADV_HUGEPAGE);
    struct pollfd events[] = {{.fd = open_port(), .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    while (poll(events, 2, -1) > 0 && events[1].revents == 0) {
        struct connection *connection = malloc(sizeof *connection);
        pthread_t thread;
        *connection = (struct connection){.client = accept(events[0].fd, NULL, NULL), .ways = 2};
        pthread_create(&thread, NULL, serve, connection);
        pthread_detach(thread);
    }
    printf("%zu\n", area_used);
    return 0;
}
