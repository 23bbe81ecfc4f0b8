/* These cases test programs that block the stats signal (the signal that requests statistics), and then wait for this
 * signal by sigwait, read it from a signalfd, or leave it pending. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <sockmalloc.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "outside.h"
#include "signals.h"

enum { MARK = 1234, VALUE = 4711 };

static sigset_t set_of(int first, int second)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, first);
    sigaddset(&set, second);
    return set;
}

static sigset_t block(void)
{
    sigset_t both = set_of(STATS, OTHER);
    CHECK_EQUAL(sigprocmask(SIG_BLOCK, &both, NULL), 0);
    return both;
}

static void queue(int signal_number, int value)
{
    CHECK_EQUAL(sigqueue(getpid(), signal_number, (union sigval){.sival_int = value}), 0);
}

static bool is_pending(int signal_number)
{
    sigset_t pending;
    CHECK_EQUAL(sigpending(&pending), 0);
    return sigismember(&pending, signal_number) == 1;
}

CASE(sigwait_returns_it)
{
    sigset_t both = block();
    int taken = 0;
    outside_send(STATS);
    errno = MARK;
    CHECK_EQUAL(sigwait(&both, &taken), 0);
    CHECK_EQUAL(taken, STATS);
    CHECK_EQUAL(errno, MARK);
    CHECK(!is_pending(STATS));
}

/* sigwait must not return at a stats signal whose value requests only statistics. It must return at the next signal. */
CASE(sigwait_goes_on_after_dump_only)
{
    sigset_t both = block();
    int taken = 0;
    queue(STATS, SOCKMALLOC_DUMP_ONLY);
    pid_t sender = outside_send_to_sleeper(STATS, -1);
    CHECK_EQUAL(sigwait(&both, &taken), 0);
    CHECK_EQUAL(taken, STATS);
    check_wait(sender);
}

CASE(sigwaitinfo_returns_it_whole)
{
    sigset_t both = block();
    siginfo_t info;
    queue(STATS, VALUE);
    CHECK_EQUAL(sigwaitinfo(&both, &info), STATS);
    CHECK_EQUAL(info.si_code, SI_QUEUE);
    CHECK_EQUAL(info.si_value.sival_int, VALUE);
    CHECK_EQUAL(info.si_pid, getpid());
}

CASE(sigwaitinfo_is_interrupted_by_dump_only)
{
    sigset_t both = block();
    queue(STATS, SOCKMALLOC_DUMP_ONLY);
    CHECK_EQUAL(sigwaitinfo(&both, NULL), -1);
    CHECK_EQUAL(errno, EINTR);
    CHECK(!is_pending(STATS));
}

CASE(sigtimedwait_takes_its_time)
{
    sigset_t both = block();
    const struct timespec none = {0, 0};
    CHECK_EQUAL(sigtimedwait(&both, NULL, &none), -1);
    CHECK_EQUAL(errno, EAGAIN);
    outside_send(STATS);
    CHECK_EQUAL(sigtimedwait(&both, NULL, &none), STATS);
}

CASE(others_are_no_wish)
{
    sigset_t both = block();
    int taken = 0;
    queue(OTHER, SOCKMALLOC_DUMP_ONLY);
    CHECK_EQUAL(sigwait(&both, &taken), 0);
    CHECK_EQUAL(taken, OTHER);
    sigset_t bad = set_of(SIGTERM, SIGHUP);
    const struct timespec long_ago = {0, -1};
    CHECK_EQUAL(sigtimedwait(&bad, NULL, &long_ago), -1);
    CHECK_EQUAL(errno, EINVAL);
}

/* The library wraps sigwait, which must still be a cancellation point: a thread that waits in it can be cancelled. */
static volatile pid_t waiter;
static volatile sig_atomic_t cleaned;

static void clean(void *unused)
{
    (void)unused;
    cleaned = 1;
}

static void *wait_for_ever(void *unused)
{
    sigset_t both = set_of(STATS, OTHER);
    int taken;
    pthread_cleanup_push(clean, NULL);
    waiter = (pid_t)syscall(SYS_gettid);
    sigwait(&both, &taken);
    pthread_cleanup_pop(0);
    return unused;
}

CASE(cancelled_in_sigwait)
{
    pthread_t thread;
    void *result;
    block();
    CHECK_EQUAL(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
    while (waiter == 0) {
    }
    outside_await_sleep(waiter);
    CHECK_EQUAL(pthread_cancel(thread), 0);
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_EQUAL(cleaned, 1);
}

/* The library does not wrap read. So if a program reads the stats signal from a signalfd, the program gets the signal
 * with its value, and the library writes no statistics. */
CASE(signalfd_has_it_to_itself)
{
    struct signalfd_siginfo info;
    const int values[] = {VALUE, SOCKMALLOC_DUMP_ONLY};
    sigset_t both = block();
    int descriptor = signalfd(-1, &both, SFD_CLOEXEC);
    CHECK(descriptor >= 0);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        queue(STATS, values[i]);
        CHECK_EQUAL(read(descriptor, &info, sizeof info), sizeof info);
        CHECK_EQUAL(info.ssi_signo, STATS);
        CHECK_EQUAL(info.ssi_int, values[i]);
    }
    CHECK_EQUAL(close(descriptor), 0);
}

/* The library changes no signal mask. If every thread blocks the stats signal, the signal stays pending, and the
 * library writes no statistics. So stderr has only the statistics that this program requests by sockmalloc_dump. */
static pthread_barrier_t barrier;

static void *hold_out(void *unused)
{
    pthread_barrier_wait(&barrier); /* the main thread passes this barrier when all threads have begun */
    pthread_barrier_wait(&barrier); /* the threads pass this barrier when the signal has been sent */
    CHECK(is_pending(STATS));
    return unused;
}

CASE(blocked_in_every_thread)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    int (*dump)(int);
    *(void **)&dump = check_find("sockmalloc_dump");
    block();
    CHECK_EQUAL(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
    check_start(threads, THREADS, hold_out, NULL);
    pthread_barrier_wait(&barrier);
    outside_send(STATS);
    pthread_barrier_wait(&barrier);
    check_join(threads, THREADS);
    CHECK(is_pending(STATS));
    CHECK_EQUAL(dump(STDERR_FILENO), 0);
}
