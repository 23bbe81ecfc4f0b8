/*
 * A relay of messages between UNIX sockets, with three threads. The receiver reads a message into a message page, the
 * worker looks at the message there, and the sender sends it from there and frees it. No thread copies a message.
 *
 * usage: relay INPUT OUTPUT [copy]
 * Listens at the socket INPUT and connects to the socket OUTPUT, both of the type SOCK_SEQPACKET. Ends when the client
 * at INPUT ends its connection, and prints counts of messages and bytes, and the CPU time. With `copy`, the worker and
 * the sender copy each message into a block of malloc, for a comparison with programs that pass messages by value.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <pthread.h>
#include <sockmalloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A message as the threads pass it on. If `bytes` is NULL, no further message comes, and the thread ends. */
struct message {
    char *bytes;
    size_t size;
};

static struct sockmalloc_message *pages; /* NULL if the relay copies messages */
static int to_worker[2], to_sender[2];   /* pipes that pass struct message */
static int input, output;
static unsigned long messages, bytes, copied, with_zero;

static void require(bool works, const char *what)
{
    if (!works) {
        perror(what);
        exit(1);
    }
}

static void put(const int *queue, struct message message)
{
    require(write(queue[1], &message, sizeof message) == sizeof message, "relay: a queue");
}

/* Stores the next message, and returns true. Returns false if no further message comes. */
static bool take(const int *queue, struct message *message)
{
    require(read(queue[0], message, sizeof *message) == sizeof *message, "relay: a queue");
    return message->bytes != NULL;
}

static struct message begin(size_t size)
{
    char *place = pages != NULL ? sockmalloc_message_alloc(pages, size, 0) : malloc(size);
    require(place != NULL, "relay: a message");
    return (struct message){place, size};
}

static void end(struct message message)
{
    if (pages != NULL) {
        sockmalloc_message_free(pages, message.bytes);
        return;
    }
    free(message.bytes);
}

/* Returns the message or, with `copy`, a copy of the message, which is then freed. */
static struct message own(struct message message)
{
    if (pages != NULL) {
        return message;
    }
    struct message copy = begin(message.size);
    memcpy(copy.bytes, message.bytes, message.size);
    __atomic_add_fetch(&copied, message.size, __ATOMIC_RELAXED);
    end(message);
    return copy;
}

static void *worker(void *unused)
{
    struct message message;
    while (take(to_worker, &message)) {
        message = own(message);
        with_zero += memchr(message.bytes, 0, message.size) != NULL; /* stands for what a real worker does */
        put(to_sender, message);
    }
    put(to_sender, message);
    return unused;
}

static void *sender(void *unused)
{
    struct message message;
    while (take(to_sender, &message)) {
        message = own(message);
        require(send(output, message.bytes, message.size, MSG_NOSIGNAL) >= 0, "relay: OUTPUT");
        end(message);
    }
    return unused;
}

static void receive(void)
{
    ssize_t size;
    while ((size = recv(input, NULL, 0, MSG_PEEK | MSG_TRUNC)) > 0) {
        struct message message = begin((size_t)size);
        require(recv(input, message.bytes, message.size, 0) == size, "relay: INPUT");
        messages++;
        bytes += message.size;
        put(to_worker, message);
    }
    put(to_worker, (struct message){NULL, 0});
}

static void open_sockets(const char *from, const char *to)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    strncpy(address.sun_path, from, sizeof address.sun_path - 1);
    require(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0, from);
    output = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    strncpy(address.sun_path, to, sizeof address.sun_path - 1);
    require(connect(output, (struct sockaddr *)&address, sizeof address) == 0, to);
    input = accept(listener, NULL, NULL);
}

int main(int count, char **arguments)
{
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    pthread_t threads[2];
    options.page = 1 << 20;
    require(count >= 3, "usage: relay INPUT OUTPUT [copy]");
    pages = count == 3 ? sockmalloc_message_open(&options) : NULL;
    require(pipe(to_worker) == 0 && fcntl(to_worker[0], F_SETPIPE_SZ, 4096) > 0, "relay: a queue");
    require(pipe(to_sender) == 0 && fcntl(to_sender[0], F_SETPIPE_SZ, 4096) > 0, "relay: a queue");
    open_sockets(arguments[1], arguments[2]);
    pthread_create(&threads[0], NULL, worker, NULL);
    pthread_create(&threads[1], NULL, sender, NULL);
    receive();
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    printf("%lu messages, %lu bytes, %lu bytes copied, %ld us of CPU\n", messages, bytes, copied, (long)clock());
    return 0;
}
