/*
 * An echo server on io_uring whose buffers are the blocks of a fixed-size pool. All blocks lie in one chunk, which is
 * registered with the kernel once. So the kernel need not look up and pin the pages of a buffer for each read and each
 * send, and a send copies nothing.
 *
 * usage: echo_uring
 * Serves on a free TCP port of 127.0.0.1, which is the first line on stdout, until stdin ends.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <sockmalloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 16384, CONNECTIONS = 256 };
enum step { READS, SENDS, WAITS }; /* waits for: bytes; the result of a send; the end of the kernel's use of `block` */

struct connection {
    enum step step;
    int socket;
    char *block;
    int chunk;           /* the index of the registered buffer that the block lies in */
    size_t filled, sent; /* bytes in the block, and how many of them were sent; SIZE_MAX after a failed send */
};

static struct io_uring ring;
static struct sockmalloc_pool *pool;
static struct connection acceptor; /* marks the events of the listener, which say that a client has connected */
static int listener;

static void require(bool works, const char *what)
{
    if (!works) {
        perror(what);
        exit(1);
    }
}

static void wait_for_client(void)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    io_uring_prep_accept(entry, listener, NULL, NULL, 0);
    io_uring_sqe_set_data(entry, &acceptor);
}

static void start_read(struct connection *connection)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    connection->step = READS;
    io_uring_prep_read_fixed(entry, connection->socket, connection->block, BLOCK, 0, connection->chunk);
    io_uring_sqe_set_data(entry, connection);
}

static void start_send(struct connection *connection)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    char *rest = connection->block + connection->sent;
    size_t size = connection->filled - connection->sent;
    connection->step = SENDS;
    io_uring_prep_send_zc_fixed(entry, connection->socket, rest, size, MSG_NOSIGNAL, 0, (unsigned)connection->chunk);
    io_uring_sqe_set_data(entry, connection);
}

static void end(struct connection *connection)
{
    close(connection->socket);
    sockmalloc_pool_free(pool, connection->block);
    free(connection);
}

static void begin(int socket)
{
    struct connection *connection = calloc(1, sizeof *connection);
    require(connection != NULL, "echo_uring: a connection");
    connection->socket = socket;
    connection->block = sockmalloc_pool_alloc(pool);
    connection->chunk = sockmalloc_pool_index(pool, connection->block);
    connection->chunk == 0 ? start_read(connection) : end(connection); /* only chunk 0 is registered */
}

/* Starts the connection's next step after an event, or ends the connection. A send has two events: one with the result,
 * and a later one which says that the kernel no longer needs the buffer. */
static void go_on(struct connection *connection, int result, unsigned flags)
{
    if (connection->step == SENDS && (flags & IORING_CQE_F_MORE) != 0) {
        connection->step = WAITS;
        connection->sent = result > 0 ? connection->sent + (size_t)result : SIZE_MAX;
    } else if (connection->step == WAITS && connection->sent < connection->filled) {
        start_send(connection);
    } else if (connection->step == WAITS && connection->sent == connection->filled) {
        start_read(connection);
    } else if (connection->step == READS && result > 0) {
        connection->filled = (size_t)result;
        connection->sent = 0;
        start_send(connection);
    } else {
        end(connection);
    }
}

static int register_chunk(void *unused, int index, void *start, size_t length)
{
    struct iovec chunk = {start, length};
    (void)unused;
    return index == 0 ? io_uring_register_buffers(&ring, &chunk, 1) : 0;
}

int main(void)
{
    struct sockmalloc_pool_options options = SOCKMALLOC_POOL_OPTIONS;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct io_uring_cqe *event = NULL;
    options.block = BLOCK;
    options.alignment = SOCKMALLOC_POOL_BY_PAGE;
    options.chunk = (size_t)BLOCK * CONNECTIONS;
    pool = sockmalloc_pool_create(&options);
    require(pool != NULL && io_uring_queue_init(4 * CONNECTIONS, &ring, 0) == 0, "echo_uring");
    sockmalloc_pool_free(pool, sockmalloc_pool_alloc(pool)); /* this makes the pool get its first chunk */
    require(sockmalloc_pool_pin(pool) == 0 && sockmalloc_pool_chunks(pool, register_chunk, NULL) == 0, "buffers");
    listener = socket(AF_INET, SOCK_STREAM, 0);
    require(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 64) == 0, "port");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    io_uring_prep_poll_add(io_uring_get_sqe(&ring), STDIN_FILENO, POLLIN);
    wait_for_client();
    while (io_uring_submit_and_wait(&ring, 1) >= 0 && io_uring_peek_cqe(&ring, &event) == 0) {
        struct io_uring_cqe seen = *event;
        struct connection *connection = io_uring_cqe_get_data(event);
        io_uring_cqe_seen(&ring, event);
        if (connection == NULL) {
            break; /* stdin has ended */
        }
        if (connection != &acceptor) {
            go_on(connection, seen.res, seen.flags);
        } else {
            begin(seen.res);
            wait_for_client();
        }
    }
    return 0;
}
