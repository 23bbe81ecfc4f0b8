/* System calls for the process, its threads and signals. None of them is a cancellation point or changes errno. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/os_process.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#if HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>
#endif

#include "base/bounds.h"
#include "os/os.h"
#include "os/os_file.h"
#include "os/system_call.h"

enum { NANOSECONDS_A_SECOND = 1000000000 };

pid_t os_process(void)
{
    return (pid_t)system_call(SYS_getpid);
}

pid_t os_parent(void)
{
    return (pid_t)system_call(SYS_getppid);
}

uid_t os_user(void)
{
    return (uid_t)system_call(SYS_geteuid);
}

/* The number of bytes that a set of signals has in the kernel. sigset_t, the type of libc, is longer. */
enum { SIGNAL_SET_SIZE = (NSIG - 1) / 8 };

void os_pending_signals(sigset_t *signals)
{
    sigemptyset(signals);
    system_call(SYS_rt_sigpending, signals, SIGNAL_SET_SIZE);
}

void os_block_signals(const sigset_t *signals, sigset_t *former)
{
    sigemptyset(former);
    system_call(SYS_rt_sigprocmask, SIG_BLOCK, signals, former, SIGNAL_SET_SIZE);
}

void os_restore_signals(const sigset_t *former)
{
    system_call(SYS_rt_sigprocmask, SIG_SETMASK, former, NULL, SIGNAL_SET_SIZE);
}

void os_take_signal(const sigset_t *signals)
{
    system_call(SYS_rt_sigtimedwait, signals, NULL, &(struct timespec){0}, SIGNAL_SET_SIZE);
}

void os_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
    struct timespec time = {.tv_sec = (time_t)(nanoseconds / NANOSECONDS_A_SECOND),
                            .tv_nsec = (long)(nanoseconds % NANOSECONDS_A_SECOND)};
    system_call(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nanoseconds == UINT64_MAX ? NULL : &time);
}

void os_wake(_Atomic uint32_t *word)
{
    system_call(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX);
}

void os_wake_one(_Atomic uint32_t *word)
{
    system_call(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

/* FUTEX_WAIT_BITSET takes an absolute deadline, which FUTEX_WAIT does not. */
int os_wait_shared(_Atomic uint32_t *word, uint32_t value, const struct timespec *deadline)
{
    long result = system_call(SYS_futex, word, FUTEX_WAIT_BITSET, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    return result >= 0 || result == -EAGAIN ? 0 : (int)-result;
}

void os_wake_shared(_Atomic uint32_t *word)
{
    system_call(SYS_futex, word, FUTEX_WAKE, INT_MAX);
}

void os_name_thread(const char *name)
{
    if (os_is_filtered()) {
        return;
    }
    system_call(SYS_prctl, PR_SET_NAME, name);
}

/* When a thread locks an error-checking mutex, libc stores the thread's number (TID) in the mutex. So this function
 * locks such a mutex and reads the number, without a system call. */
pid_t os_thread(void)
{
    pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    pthread_mutex_lock(&mutex);
    pid_t thread = mutex.__data.__owner;
    pthread_mutex_unlock(&mutex);
    return thread;
}

size_t os_limit(int resource)
{
    struct rlimit limit;
    bool known = system_call(SYS_prlimit64, 0, resource, NULL, &limit) == 0;
    return known && limit.rlim_cur < SIZE_MAX ? (size_t)limit.rlim_cur : SIZE_MAX;
}

/*
 * Returns how many bytes of memory all processes together may map under strict overcommit, as /proc/meminfo shows it.
 * Returns SIZE_MAX if there is no strict overcommit.
 */
static COLD size_t os_commit_limit(void)
{
    enum { BYTES_A_KIBIBYTE = 1024 };
    static const char label[] = "\nCommitLimit:";
    char text[4096];
    os_read_file("/proc/sys/vm/overcommit_memory", text, sizeof text);
    if (text[0] != '2') {
        return SIZE_MAX;
    }
    os_read_file("/proc/meminfo", text, sizeof text);
    const char *line = strstr(text, label);
    return line != NULL ? strtoul(line + sizeof label - 1, NULL, 10) * BYTES_A_KIBIBYTE : SIZE_MAX;
}

COLD size_t os_charge_limit(void)
{
    int kept = errno; /* restored below, because strtoul in os_commit_limit may change it */
    size_t least = os_commit_limit();
    size_t data = os_limit(RLIMIT_DATA);
    size_t space = os_limit(RLIMIT_AS);
    errno = kept;
    least = LESSER(data, least);
    return LESSER(space, least);
}

#if HAVE_SYS_SINGLE_THREADED_H
bool os_has_threads(void)
{
    return !__libc_single_threaded;
}
#else
bool os_has_threads(void)
{
    return true;
}
#endif
