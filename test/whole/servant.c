/* A process that executes the orders of its runner, which come on stdin, one in each line. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"
#include "sockmalloc.h"

/* Reads an order from stdin without stdio. The process has only one thread, so when it answers an order, it has handled
 * every signal that was sent before the order. */
static bool read_line(char *line, size_t size)
{
    size_t used = 0;
    while (read(STDIN_FILENO, line + used, 1) == 1) {
        if (line[used] == '\n') {
            line[used] = '\0';
            return true;
        }
        CHECK(++used < size);
    }
    return false;
}

static void answer(const char *text)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s\n", text);
    CHECK_EQUAL(write(STDOUT_FILENO, line, (size_t)length), length);
}

static void answer_number(uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, number);
    answer(text);
}

/* Opens a file, which gets the lowest free descriptor: 2 after stderr was closed. */
static void open_data(const char *path)
{
    int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    CHECK(file >= 0);
    answer_number((uint64_t)file);
}

static void replace_stderr(const char *path)
{
    int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    CHECK(file >= 0 && dup2(file, STDERR_FILENO) == STDERR_FILENO && close(file) == 0);
    answer("done");
}

/* Allocates a block that the process keeps, and prints which allocator served it. */
static void take(const char *size)
{
    char *block = malloc(strtoul(size, NULL, 10));
    CHECK(block != NULL);
    answer(pools_own(check_hide(block)) ? "pools" : "mimalloc");
}

/* Allocates several blocks of one size, writes to each of them, and frees them all. */
static void churn(const char *size)
{
    enum { BLOCKS = 200 };
    static char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(strtoul(size, NULL, 10));
        CHECK(blocks[i] != NULL);
        blocks[i][0] = 1;
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    answer("done");
}

/* Allocates several blocks of `size` bytes, and writes to all of their bytes. Frees them again if `frees` is true;
 * otherwise the process keeps them. */
static void fill(const char *size, bool frees)
{
    enum { BLOCKS = 200 };
    static char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = check_hide(malloc(strtoul(size, NULL, 10)));
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 1, strtoul(size, NULL, 10));
    }
    for (int i = 0; i < BLOCKS && frees; i++) {
        free(blocks[i]);
    }
    answer("done");
}

/* Allocates a thousand blocks of `size` bytes, which mimalloc serves, and writes to each. The process keeps them. */
static void take_small(const char *size)
{
    enum { BLOCKS = 1000 };
    for (int i = 0; i < BLOCKS; i++) {
        char *block = check_hide(malloc(strtoul(size, NULL, 10)));
        CHECK(block != NULL);
        memset(block, 1, strtoul(size, NULL, 10));
    }
    answer("done");
}

/* Allocates a block, which stays live until the order `drop` frees it, and prints the block's address. */
static void hold(const char *size)
{
    char *block = malloc(strtoul(size, NULL, 10));
    CHECK(block != NULL);
    answer_number((uint64_t)(uintptr_t)block);
}

/* Frees the block at an address that `hold` has printed. */
static void drop(const char *address)
{
    free((void *)(uintptr_t)strtoul(address, NULL, 10));
    answer("done");
}

/* Allocates one block and frees it. */
static void pair(const char *size)
{
    char *block = malloc(strtoul(size, NULL, 10));
    CHECK(block != NULL);
    block[0] = 1;
    free(check_hide(block));
    answer("done");
}

#pragma weak sockmalloc_pool_create
#pragma weak sockmalloc_pool_alloc

#pragma weak sockmalloc_message_alloc
#pragma weak sockmalloc_message_flush
#pragma weak sockmalloc_message_free
#pragma weak sockmalloc_message_open

/* Makes message pages with this name, and fills a page with messages. Then frees all messages but the first one, which
 * keeps the page in use. The first one has type 1, and all others have type 0. */
static void make_messages(const char *name)
{
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    enum { MESSAGES = 100, SIZE = 1000 };
    void *message[MESSAGES];
    options.types = 2;
    options.name = name;
    struct sockmalloc_message *messages = sockmalloc_message_open(&options);
    for (int i = 0; i < MESSAGES; i++) {
        message[i] = sockmalloc_message_alloc(messages, SIZE, i == 0);
        CHECK(message[i] != NULL);
    }
    for (int i = 1; i < MESSAGES; i++) {
        sockmalloc_message_free(messages, message[i]);
    }
    sockmalloc_message_flush(messages);
    answer("done");
}

#pragma weak sockmalloc_ring_alloc
#pragma weak sockmalloc_ring_create

/* Makes a ring with this name, unless the process has one already, and allocates a message in the ring. */
static void make_ring(const char *name)
{
    static _Alignas(SOCKMALLOC_RING_ALIGNMENT) char memory[64 << 10];
    static struct sockmalloc_ring *ring;
    struct sockmalloc_ring_options options = {.size = sizeof options, .chunk_size = 256, .holder = 7, .name = name};
    ring = ring == NULL ? sockmalloc_ring_create(memory, sizeof memory, &options) : ring;
    CHECK(sockmalloc_ring_alloc(ring, 1000, 0) != NULL);
    answer("done");
}

/* Makes a fixed-size pool with this name, and allocates three blocks of it, which the process keeps. */
static void make_pool(const char *name)
{
    struct sockmalloc_pool_options options = SOCKMALLOC_POOL_OPTIONS;
    options.block = 5000;
    options.name = name;
    struct sockmalloc_pool *pool = sockmalloc_pool_create(&options);
    for (int i = 0; i < 3; i++) {
        CHECK(pool != NULL && sockmalloc_pool_alloc(pool) != NULL);
    }
    answer("done");
}

/* Calls sockmalloc_dump_as to write statistics in this format to descriptor 2. */
static void dump_as(const char *format)
{
    answer(pools_dump_as(STDERR_FILENO, format) == 0 ? "done" : "refused");
}

/*
 * Does what a daemon does after its start: it makes `directory` its root, so that the program's own files are out of
 * reach, and drops its privileges.
 */
static void retreat(const char *directory)
{
    enum { NOBODY = 65534 };
    CHECK(chroot(directory) == 0 && chdir("/") == 0);
    CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    answer("done");
}

/* Replaces this program by /bin/cat, by exec. /bin/cat then runs without the library. */
static void become(void)
{
    answer("done");
    unsetenv("LD_PRELOAD");
    execl("/bin/cat", "cat", (char *)NULL);
    CHECK(false);
}

/* Forks a child that lives as long as its parent, like a worker of a server. */
static void begin_worker(void)
{
    int ends[2];
    CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
    pid_t worker = fork();
    CHECK(worker >= 0);
    if (worker == 0) {
        char none;
        close(ends[1]);
        close(STDOUT_FILENO);
        _exit(read(ends[0], &none, 1) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[0]);
    answer_number((uint64_t)worker);
}

static volatile sig_atomic_t handled;

static void count_signal(int signal_number)
{
    (void)signal_number;
    handled++;
}

/* Sets a handler for the signal with this number. */
static void handle(const char *number)
{
    CHECK(signal((int)strtol(number, NULL, 10), count_signal) != SIG_ERR);
    answer("done");
}

/* Queues a signal with a value to this process. The text `number` has the signal's number and the value. The signal is
 * handled before this function returns. */
static void queue(const char *number)
{
    char *end;
    int signal_number = (int)strtol(number, &end, 10);
    union sigval value = {.sival_ptr = (void *)(uintptr_t)strtoull(end, NULL, 10)};
    CHECK_EQUAL(sigqueue(getpid(), signal_number, value), 0);
    answer("done");
}

static void obey(const char *word, const char *rest)
{
    if (strcmp(word, "ping") == 0) {
        answer("done");
    } else if (strcmp(word, "handle") == 0) {
        handle(rest);
    } else if (strcmp(word, "handled") == 0) {
        answer_number((uint64_t)handled);
    } else if (strcmp(word, "queue") == 0) {
        queue(rest);
    } else if (strcmp(word, "close-stderr") == 0) {
        CHECK_EQUAL(close(STDERR_FILENO), 0);
        answer("done");
    } else if (strcmp(word, "open") == 0) {
        open_data(rest);
    } else if (strcmp(word, "replace-stderr") == 0) {
        replace_stderr(rest);
    } else if (strcmp(word, "umask") == 0) {
        umask((mode_t)strtoul(rest, NULL, 8));
        answer("done");
    } else if (strcmp(word, "dumpable") == 0) {
        CHECK_EQUAL(prctl(PR_SET_DUMPABLE, strtoul(rest, NULL, 10), 0, 0, 0), 0);
        answer("done");
    } else if (strcmp(word, "take") == 0) {
        take(rest);
    } else if (strcmp(word, "churn") == 0) {
        churn(rest);
    } else if (strcmp(word, "fill") == 0) {
        fill(rest, false);
    } else if (strcmp(word, "clear") == 0) {
        fill(rest, true);
    } else if (strcmp(word, "small") == 0) {
        take_small(rest);
    } else if (strcmp(word, "hold") == 0) {
        hold(rest);
    } else if (strcmp(word, "drop") == 0) {
        drop(rest);
    } else if (strcmp(word, "pair") == 0) {
        pair(rest);
    } else if (strcmp(word, "make-messages") == 0) {
        make_messages(rest);
    } else if (strcmp(word, "make-ring") == 0) {
        make_ring(rest);
    } else if (strcmp(word, "make-pool") == 0) {
        make_pool(rest);
    } else if (strcmp(word, "dump-as") == 0) {
        dump_as(rest);
    } else if (strcmp(word, "retreat") == 0) {
        retreat(rest);
    } else if (strcmp(word, "worker") == 0) {
        begin_worker();
    } else if (strcmp(word, "become") == 0) {
        become();
    } else if (strcmp(word, "active") == 0) {
        answer_number(pools_are_active());
    } else if (strcmp(word, "figure") == 0) {
        answer_number(pools_figure(rest));
    } else {
        answer("unknown");
    }
}

/* The program executes the orders from its stdin, and ends by exit when stdin ends. */
int main(void)
{
    char line[1024];
    while (read_line(line, sizeof line)) {
        char *blank = strchr(line, ' ');
        if (blank != NULL) {
            *blank = '\0';
        }
        obey(line, blank != NULL ? blank + 1 : "");
    }
    return EXIT_SUCCESS;
}
