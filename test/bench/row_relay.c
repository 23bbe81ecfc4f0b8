/* Measures the row `relay`: messages from a UNIX socket pass through three threads to another socket. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The relay is that of doc/examples/relay.c: a receiver, a worker and a sender. Under sockmalloc each message stays in
 * its message page from the first thread to the last. Under other allocators each thread allocates a block of its own
 * and copies the message into it, as a program does that passes messages by value. One operation is one message, with
 * its two system calls. Two more threads write to the first socket and read from the second. The second
 * figure is the processor time of all five threads for a message, which other programs on the machine change less.
 */
#include "bench.h"
#include "clock.h"
#include "queue.h"

#include <errno.h>
#include <pthread.h>
#include <sockmalloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* These functions are declared weak, because the program is not linked with sockmalloc: they are NULL unless sockmalloc
 * is preloaded. */
#pragma weak sockmalloc_message_open
#pragma weak sockmalloc_message_alloc
#pragma weak sockmalloc_message_free

enum { PAGE = 1 << 20, WARM = 2000, MESSAGES = 20000, THREADS = 4 };

static size_t size;
static struct sockmalloc_message *pages;
static struct queue to_worker, to_sender;
static int input[2], output[2];

static char *allocate(void)
{
    char *message = pages != NULL ? sockmalloc_message_alloc(pages, size, 0) : malloc(size);
    if (message == NULL)
        bench_fail("relay: no memory");
    return message;
}

static void release(void *message)
{
    if (pages == NULL)
        free(message);
    else
        sockmalloc_message_free(pages, message);
}

/*
 * Returns the message itself if it lies in a message page. Otherwise returns a copy of the message and frees the
 * message.
 */
static char *own(char *message)
{
    if (pages != NULL)
        return message;
    char *copy = memcpy(allocate(), message, size);
    free(message);
    return copy;
}

static void transfer(int descriptor, char *bytes, ssize_t (*call)(int, void *, size_t, int))
{
    if (call(descriptor, bytes, size, 0) != (ssize_t)size)
        bench_fail("relay: a socket");
}

static ssize_t put(int descriptor, void *bytes, size_t length, int flags)
{
    return send(descriptor, bytes, length, flags);
}

static void *fill(void *unused)
{
    char *bytes = calloc(1, size);
    for (unsigned i = 0; i < WARM + MESSAGES; i++)
        transfer(input[0], bytes, put);
    free(bytes);
    return unused;
}

static void *receive(void *unused)
{
    for (unsigned i = 0; i < WARM + MESSAGES; i++) {
        char *message = allocate();
        transfer(input[1], message, recv);
        queue_put(&to_worker, i, message, 1);
    }
    return unused;
}

static void *work(void *unused)
{
    for (unsigned i = 0; i < WARM + MESSAGES; i++)
        queue_put(&to_sender, i, own(queue_take(&to_worker, i, 1)), 1);
    return unused;
}

static void *pass_on(void *unused)
{
    for (unsigned i = 0; i < WARM + MESSAGES; i++) {
        char *message = own(queue_take(&to_sender, i, 1));
        transfer(output[0], message, put);
        release(message);
    }
    return unused;
}

/* Reads all messages from the second socket. Stores the mean wall-clock time and the mean processor time of a message
 * in nanoseconds. The first messages do not count. */
static void empty(double *wall, double *busy)
{
    char *bytes = malloc(size);
    int64_t start = 0;
    int64_t busy_start = 0;
    for (unsigned i = 0; i < WARM + MESSAGES; i++) {
        if (i == WARM) {
            start = clock_wall();
            busy_start = clock_read(CLOCK_PROCESS_CPUTIME_ID);
        }
        transfer(output[1], bytes, recv);
    }
    free(bytes);
    *wall = (double)(clock_wall() - start) / MESSAGES;
    *busy = (double)(clock_read(CLOCK_PROCESS_CPUTIME_ID) - busy_start) / MESSAGES;
}

void row_relay(const char *argument)
{
    static void *(*const parts[THREADS])(void *) = {fill, receive, work, pass_on};
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    size_t kibibytes = bench_number(argument);
    pthread_t thread[THREADS];
    char name[32];
    size = kibibytes << 10;
    options.page = PAGE;
    pages = sockmalloc_message_open != NULL ? sockmalloc_message_open(&options) : NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, input) != 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, output) != 0)
        bench_fail("relay: socketpair");
    for (unsigned i = 0; i < THREADS; i++) {
        errno = pthread_create(&thread[i], NULL, parts[i], NULL);
        if (errno != 0)
            bench_fail("relay: pthread_create");
    }
    double wall;
    double busy;
    empty(&wall, &busy);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    bench_size_name(name, sizeof name, "relay", kibibytes);
    bench_report(name, wall, "ns");
    strcat(name, ".busy");
    bench_report(name, busy, "ns");
}
