/*
 * A relay of messages between UNIX sockets whose receiver and sender are two processes. The receiver reads each message
 * into a ring in memory that both processes have mapped, and passes the message's number, its handle, through a pipe.
 * No message is copied from one process to the other.
 *
 * usage: relay_ring INPUT OUTPUT
 * Listens at the socket INPUT and connects to the socket OUTPUT, both of the type SOCK_SEQPACKET. Ends when the client
 * at INPUT ends its connection, and prints how many messages it has passed on. If the sender dies, the receiver frees
 * the messages that the sender held, and ends.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <signal.h>
#include <sockmalloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The size of a chunk in bytes, the number of chunks, and the numbers of the two processes as holders of messages. */
enum { CHUNK = 1024, CHUNKS = 8192, RECEIVER = 1, SENDER = 2 };

static void require(bool works, const char *what)
{
    if (!works) {
        perror(what);
        exit(1);
    }
}

static int open_socket(const char *path, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int made = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int result = listens ? bind(made, (struct sockaddr *)&address, sizeof address)
                         : connect(made, (struct sockaddr *)&address, sizeof address);
    require(result == 0 && (!listens || listen(made, 1) == 0), path);
    return made;
}

/* The sender: takes each message by its number, sends the message from the ring's memory, and frees it. */
static void send_all(void *memory, size_t length, int numbers, const char *path)
{
    struct sockmalloc_ring_options options = {.size = sizeof options, .holder = SENDER};
    struct sockmalloc_ring *ring = sockmalloc_ring_attach(memory, length, &options);
    int output = open_socket(path, false);
    uint64_t number;
    size_t size;
    require(ring != NULL, "relay_ring: the ring");
    while (read(numbers, &number, sizeof number) == sizeof number) {
        void *message = sockmalloc_ring_take(ring, number, &size, NULL);
        require(message != NULL && send(output, message, size, MSG_NOSIGNAL) >= 0, "relay_ring: OUTPUT");
        sockmalloc_ring_free(ring, message);
    }
}

/* Allocates a message, and waits while the ring is full. Returns NULL if the sender has died, because nobody then frees
 * the messages that the sender holds. */
static void *begin(struct sockmalloc_ring *ring, size_t size, pid_t sender)
{
    void *message = NULL;
    siginfo_t dead = {.si_pid = 0};
    while (message == NULL && dead.si_pid == 0) {
        struct timespec deadline;
        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec++;
        message = sockmalloc_ring_alloc_wait(ring, size, 0, &deadline);
        require(message != NULL || errno == ETIMEDOUT, "relay_ring: a message");
        waitid(P_PID, (id_t)sender, &dead, WEXITED | WNOHANG | WNOWAIT);
    }
    return message;
}

/* The receiver: reads each message into the ring, and passes its number on. */
static unsigned long receive_all(struct sockmalloc_ring *ring, int input, int numbers, pid_t sender)
{
    unsigned long count = 0;
    ssize_t size;
    void *message;
    while ((size = recv(input, NULL, 0, MSG_PEEK | MSG_TRUNC)) > 0 &&
           (message = begin(ring, (size_t)size, sender)) != NULL) {
        require(recv(input, message, (size_t)size, 0) == size, "relay_ring: INPUT");
        uint64_t number = sockmalloc_ring_handle(ring, message);
        if (write(numbers, &number, sizeof number) != sizeof number) {
            break; /* the sender has died */
        }
        count++;
    }
    return count;
}

int main(int count, char **arguments)
{
    int numbers[2];
    size_t length = sockmalloc_ring_length(CHUNK, CHUNKS);
    struct sockmalloc_ring_options options = {.size = sizeof options, .chunk_size = CHUNK, .holder = RECEIVER};
    require(count == 3, "usage: relay_ring INPUT OUTPUT");
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sockmalloc_ring *ring = memory != MAP_FAILED ? sockmalloc_ring_create(memory, length, &options) : NULL;
    require(ring != NULL && pipe(numbers) == 0, "relay_ring: the ring");
    int listener = open_socket(arguments[1], true);
    signal(SIGPIPE, SIG_IGN);
    pid_t sender = fork();
    if (sender == 0) {
        close(numbers[1]);
        send_all(memory, length, numbers[0], arguments[2]);
        return 0;
    }
    close(numbers[0]);
    int input = accept(listener, NULL, NULL);
    unsigned long messages = receive_all(ring, input, numbers[1], sender);
    int status;
    close(numbers[1]);
    waitpid(sender, &status, 0);
    unsigned long lost = sockmalloc_ring_reclaim(ring, SENDER) + sockmalloc_ring_reclaim(ring, RECEIVER);
    printf("%lu messages through the ring, %lu of them lost\n", messages, lost);
    return status == 0 && lost == 0 ? 0 : 1;
}
