/* System calls for files. None of them is a cancellation point or changes errno. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <time.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "os/system_call.h"

int os_open(const char *path, int flags, unsigned mode)
{
    return (int)system_call(SYS_openat, AT_FDCWD, path, flags, mode);
}

void os_close(int file)
{
    system_call(SYS_close, file);
}

ssize_t os_read(int file, void *bytes, size_t size)
{
    ssize_t length;
    do {
        length = system_call(SYS_read, file, bytes, size);
    } while (length == -EINTR);
    return length;
}

ssize_t os_write(int file, const void *bytes, size_t size)
{
    return system_call(SYS_write, file, bytes, size);
}

/*
 * Uses the system call poll where the machine has it, because seccomp filters of programs more often allow poll than
 * ppoll.
 */
static long os_poll(struct pollfd *poll, int milliseconds)
{
#ifdef SYS_poll
    return system_call(SYS_poll, poll, 1, milliseconds);
#else
    enum { A_SECOND = 1000, NANOSECONDS = 1000000 };
    struct timespec time = {.tv_sec = milliseconds / A_SECOND,
                            .tv_nsec = (long)(milliseconds % A_SECOND) * NANOSECONDS};
    return system_call(SYS_ppoll, poll, 1, &time, NULL, 0);
#endif
}

/* The clock limits the wait, because a timer of the program may interrupt each call of poll before its time is over. */
bool os_await_writable(int file, int milliseconds)
{
    enum { NANOSECONDS_A_MILLISECOND = 1000000 };
    struct pollfd writable = {.fd = file, .events = POLLOUT};
    uint64_t end = clock_now() + (uint64_t)milliseconds * NANOSECONDS_A_MILLISECOND;
    long ready;
    do {
        ready = os_poll(&writable, milliseconds);
    } while (ready == -EINTR && clock_now() < end);
    if (ready == -EINTR) {
        ready = os_poll(&writable, 0); /* a signal handler has run until the time was over */
    }
    return ready > 0;
}

int os_status(int file, struct stat *status)
{
    return (int)system_call(SYS_fstat, file, status);
}

int os_status_at(const char *path, struct stat *status, bool follow)
{
    return (int)system_call(SYS_newfstatat, AT_FDCWD, path, status, follow ? 0 : AT_SYMLINK_NOFOLLOW);
}

bool os_truncate(int file)
{
    return system_call(SYS_ftruncate, file, 0) == 0;
}

bool os_rename(const char *from, const char *to)
{
#ifdef SYS_rename
    return system_call(SYS_rename, from, to) == 0;
#else
    return system_call(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to) == 0;
#endif
}

void os_unlink(const char *path)
{
#ifdef SYS_unlink
    system_call(SYS_unlink, path);
#else
    system_call(SYS_unlinkat, AT_FDCWD, path, 0);
#endif
}

bool os_lock_file(int file)
{
    return system_call(SYS_flock, file, LOCK_EX | LOCK_NB) == 0;
}

void os_read_file(const char *path, char *text, size_t size)
{
    int file = os_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    ssize_t length = 0;
    if (file >= 0) {
        length = os_read(file, text, size - 1);
        os_close(file);
    }
    text[GREATER(length, 0)] = '\0';
}
