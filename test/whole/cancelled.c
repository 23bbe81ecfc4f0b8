/* These cases test a thread that is cancelled, or that leaves a signal handler by longjmp, while the library writes
 * statistics. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <sockmalloc.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "outside.h"
#include "signals.h"

typedef void report_work(void);

static report_work *report;
static atomic_bool begun;
static atomic_bool pending;
static atomic_bool reported;
static atomic_bool cleaned;
static atomic_bool came_to_its_end;
static atomic_int thread_number;

static void note_report(int signal_number)
{
    (void)signal_number;
    atomic_store(&reported, true);
}

static void clean(void *unused)
{
    (void)unused;
    atomic_store(&cleaned, true);
}

/* Runs as a thread. After another thread has cancelled this one, the thread calls `report`, or, if `report` is NULL,
 * waits until the handler of the stats signal has run. The loops in this function contain no cancellation point, so the
 * thread does not end before pthread_testcancel. */
static void *report_with_a_pending_cancel(void *unused)
{
    pthread_cleanup_push(clean, NULL);
    atomic_store(&begun, true);
    while (!atomic_load(&pending)) {
    }
    if (report != NULL) {
        report();
        atomic_store(&reported, true);
    }
    while (!atomic_load(&reported)) {
    }
    atomic_store(&came_to_its_end, true);
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return unused;
}

static pthread_t begin(void *(*run)(void *))
{
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, run, NULL), 0);
    while (!atomic_load(&begun)) {
        sched_yield();
    }
    return thread;
}

static void expect_whole_life(pthread_t thread)
{
    void *result;
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK(atomic_load(&came_to_its_end));
    CHECK(atomic_load(&cleaned));
    CHECK(result == PTHREAD_CANCELED);
}

static void cancel_before(report_work *work)
{
    report = work;
    pthread_t thread = begin(report_with_a_pending_cancel);
    CHECK_EQUAL(pthread_cancel(thread), 0);
    atomic_store(&pending, true);
    expect_whole_life(thread);
}

/* All threads but the one that this case starts block the stats signal. So the kernel delivers the signal to that
 * thread, which has been cancelled but has not ended yet. */
CASE(signal_meets_a_pending_cancel)
{
    sigset_t stats;
    signal(STATS, note_report);
    sigemptyset(&stats);
    sigaddset(&stats, STATS);
    pthread_t thread = begin(report_with_a_pending_cancel);
    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, &stats, NULL), 0);
    CHECK_EQUAL(pthread_cancel(thread), 0);
    atomic_store(&pending, true);
    outside_kill(getpid(), STATS);
    expect_whole_life(thread);
    CHECK_EQUAL(pthread_sigmask(SIG_UNBLOCK, &stats, NULL), 0);
    outside_send(STATS); /* the library still answers this signal with statistics */
}

static int dump(int descriptor)
{
    int (*call)(int);
    *(void **)&call = check_find("sockmalloc_dump");
    return call(descriptor);
}

static void dump_to_stderr(void)
{
    CHECK_EQUAL(dump(STDERR_FILENO), 0);
}

CASE(call_meets_a_pending_cancel)
{
    cancel_before(dump_to_stderr);
    dump_to_stderr();
}

CASE(malloc_stats_meets_a_pending_cancel)
{
    cancel_before(malloc_stats);
    dump_to_stderr();
}

/* Checks that statistics can still be written, into an anonymous file (memfd). */
static void expect_statistics(void)
{
    int file = memfd_create("statistics", MFD_CLOEXEC);
    CHECK(file >= 0);
    CHECK_EQUAL(dump(file), 0);
    CHECK_EQUAL(close(file), 0);
}

/*
 * Sends this process the signal that requests statistics. Because stderr is a full pipe, the library then waits for
 * some time, in its signal handler, until somebody reads from the pipe. During that wait the cases jump out of the
 * handler or cancel the thread. On a very busy machine they may do so only after the wait; the cases must succeed then
 * too.
 */
static void ask_for_statistics(void)
{
    union sigval only = {.sival_int = SOCKMALLOC_DUMP_ONLY};
    CHECK_EQUAL(sigqueue(getpid(), STATS, only), 0);
}

static sigjmp_buf way_out;

static void jump_out(int signal_number)
{
    (void)signal_number;
    siglongjmp(way_out, 1);
}

CASE(held_up_and_left_by_a_jump)
{
    signal(SIGALRM, jump_out);
    if (sigsetjmp(way_out, 1) == 0) {
        pid_t target = getpid();
        pid_t sender = fork();
        CHECK(sender >= 0);
        if (sender == 0) {
            outside_await_sleep(target);
            _exit(kill(target, SIGALRM) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        ask_for_statistics();
        for (;;) {
            pause();
        }
    }
    expect_statistics();
}

static void *ask_as_one_that_may_be_cancelled_anywhere(void *unused)
{
    sigset_t stats;
    sigemptyset(&stats);
    sigaddset(&stats, STATS);
    CHECK_EQUAL(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    atomic_store(&thread_number, (int)gettid());
    CHECK_EQUAL(pthread_sigmask(SIG_UNBLOCK, &stats, NULL), 0);
    for (;;) {
        pause();
    }
    return unused;
}

CASE(held_up_and_cancelled)
{
    pthread_t thread;
    void *result;
    sigset_t stats;
    sigemptyset(&stats);
    sigaddset(&stats, STATS);
    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, &stats, NULL), 0);
    ask_for_statistics();
    CHECK_EQUAL(pthread_create(&thread, NULL, ask_as_one_that_may_be_cancelled_anywhere, NULL), 0);
    while (atomic_load(&thread_number) == 0) {
        sched_yield();
    }
    outside_await_sleep(atomic_load(&thread_number));
    CHECK_EQUAL(pthread_cancel(thread), 0);
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    expect_statistics();
}

/* Runs the case `name` of this program in a new process, whose stderr is a full pipe from its start. */
static void run_with_a_full_pipe(const char *name)
{
    static const char bytes[4096];
    int ends[2];
    CHECK_EQUAL(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], bytes, sizeof bytes) > 0) {
    }
    CHECK_EQUAL(errno, EAGAIN);
    if (check_is_child()) {
        dup2(ends[1], STDERR_FILENO);
        execl("/proc/self/exe", "cancelled", name, (char *)NULL);
        _exit(EXIT_FAILURE);
    }
}

CASE(jump_out_of_a_dump)
{
    run_with_a_full_pipe("held_up_and_left_by_a_jump");
}

CASE(cancelled_in_a_dump)
{
    run_with_a_full_pipe("held_up_and_cancelled");
}
