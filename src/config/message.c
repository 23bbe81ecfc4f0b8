/* The messages that the library prints on stderr, one row for each, and the functions that print them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/message.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/bounds.h"
#include "base/text.h"
#include "os/os_file.h"
#include "os/os_process.h"
#include "os/sandbox.h"

enum { LINE_SIZE = 2048, NAME_SIZE = 32, WRITE_PATIENCE_MS = 100 };

static const char *const formats[MESSAGE_COUNT] = {
#define MESSAGE_FORMAT(name, format, meaning) [MESSAGE_##name] = (format),
    MESSAGE_ROWS(MESSAGE_FORMAT)
#undef MESSAGE_FORMAT
};

static struct {
    char name[NAME_SIZE];
    bool has_stderr;
    dev_t device;
    ino_t inode;
} process;

static LARGE_OBJECT struct message_kept kept;

COLD void message_open(void)
{
    struct stat status;
    strncpy(process.name, program_invocation_short_name, NAME_SIZE - 1);
    process.has_stderr = os_status(STDERR_FILENO, &status) == 0;
    process.device = status.st_dev;
    process.inode = status.st_ino;
}

const char *message_process_name(void)
{
    return process.name;
}

COLD struct span message_process_span(void)
{
    return (struct span){&process, sizeof process};
}

COLD struct span message_kept_span(void)
{
    return (struct span){&kept, sizeof kept};
}

void message_end_name(void)
{
    process.name[NAME_SIZE - 1] = '\0';
}

bool message_stderr_is_ours(void)
{
    struct stat status;
    return process.has_stderr && os_status(STDERR_FILENO, &status) == 0 && status.st_dev == process.device &&
           status.st_ino == process.inode;
}

bool message_stderr_was(const char *device_and_inode)
{
    char own[48];
    struct text text = text_begin(own, sizeof own);
    text_add(&text, "%lu:%lu", (unsigned long)process.device, (unsigned long)process.inode);
    return process.has_stderr && strcmp(own, device_and_inode) == 0;
}

/*
 * Stores in `set` the signals that the kernel sends to a process that writes to a pipe without a reader (SIGPIPE) or
 * beyond RLIMIT_FSIZE (SIGXFSZ). Leaves out a signal that is already pending, because it was sent for a write of the
 * program, and the program has to get it.
 */
static void write_signals(sigset_t *set)
{
    static const int earned[] = {SIGPIPE, SIGXFSZ};
    sigset_t pending;
    os_pending_signals(&pending);
    sigemptyset(set);
    for (unsigned i = 0; i < sizeof earned / sizeof earned[0]; i++) {
        if (!sigismember(&pending, earned[i])) {
            sigaddset(set, earned[i]);
        }
    }
}

/*
 * Writes the bytes to the descriptor, and returns how many of them the descriptor did not take. Writes at most PIPE_BUF
 * bytes at a time, because a pipe that poll calls writable has room for that many. If `waits` is true and the
 * descriptor takes nothing for WRITE_PATIENCE_MS milliseconds, gives up, because a full pipe that nobody reads must not
 * stop the server.
 */
static unsigned long write_all(int descriptor, const char *bytes, unsigned long size, bool waits)
{
    while (size > 0 && (!waits || os_await_writable(descriptor, WRITE_PATIENCE_MS))) {
        ssize_t written = os_write(descriptor, bytes, LESSER(size, PIPE_BUF));
        if (written == -EINTR) {
            continue;
        }
        if (written <= 0) {
            break;
        }
        bytes += written;
        size -= (unsigned long)written;
    }
    return size;
}

/*
 * Blocks SIGPIPE and SIGXFSZ during the write, and then discards the signals that the write caused, because these
 * signals would end a program although it has written nothing itself. If the program has set a seccomp filter, the
 * filter may forbid the system calls that block signals or wait, and may end the process. This function then calls only
 * write(2). Behind such a filter, the library writes only messages before an abort, and output that the program itself
 * requested.
 */
bool message_write(int descriptor, const char *bytes, unsigned long size)
{
    if (!sandbox_allows(SANDBOX_COMMON)) {
        return write_all(descriptor, bytes, size, false) == 0;
    }
    sigset_t ours;
    sigset_t mask;
    write_signals(&ours);
    os_block_signals(&ours, &mask);
    unsigned long left = write_all(descriptor, bytes, size, true);
    if (left > 0) {
        os_take_signal(&ours);
    }
    os_restore_signals(&mask);
    return left == 0;
}

/* Stores a line in the ring buffer of the last messages, over the oldest ones. Two threads that store lines at the same
 * time write to different places. */
static void message_keep(const char *line, size_t size)
{
    uint32_t place = atomic_fetch_add_explicit(&kept.end, (uint32_t)size, memory_order_relaxed);
    for (size_t i = 0; i < size; i++) {
        kept.text[(place + i) % MESSAGE_KEPT] = line[i];
    }
}

/* Replaces each control character of ASCII by a question mark, because the texts in a message may come from the
 * environment of the process, and must neither change a terminal nor begin another line. */
static void message_replace_controls(struct text *line)
{
    for (size_t i = 0; i < line->used; i++) {
        unsigned char byte = (unsigned char)line->start[i];
        line->start[i] = byte < 0x20 || byte == 0x7f ? '?' : line->start[i];
    }
}

static void message_say_list(enum message message, va_list list)
{
    char buffer[LINE_SIZE];
    struct text line = text_begin(buffer, sizeof buffer - 1);
    text_add(&line, "sockmalloc: %s[%d]: ", process.name, (int)sandbox_process());
    text_add_list(&line, formats[message], list);
    message_replace_controls(&line);
    /* message_say_list has kept one byte free for this newline, so that a line that was cut also ends with a newline */
    buffer[line.used] = '\n';
    message_keep(buffer, line.used + 1);
    if (message_stderr_is_ours()) {
        message_write(STDERR_FILENO, buffer, line.used + 1);
    }
}

void message_say(enum message message, ...)
{
    va_list list;
    va_start(list, message);
    message_say_list(message, list);
    va_end(list);
}

void message_die(enum message message, ...)
{
    va_list list;
    va_start(list, message);
    message_say_list(message, list);
    va_end(list);
    abort();
}
