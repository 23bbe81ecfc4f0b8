/* Tests of how config/message.c writes a message: a signal may interrupt the write, or the write may take only a part
 * of the text, and the write must not cause a signal. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "config/message.h"
#include "support/capture.h"
#include "support/crew.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */ };

Test(message_write, refuses_a_bad_descriptor)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    close(ends[1]);
    errno = UNUSUAL;
    cr_expect_not(message_write(ends[1], "words", 5));
    cr_expect_not(message_write(ends[0], "words", 5), "writing to the reading end of a pipe fails");
    cr_expect(message_write(ends[0], "", 0), "writing 0 bytes succeeds");
    cr_expect_eq(errno, UNUSUAL);
}

Test(message_write, reports_a_short_write)
{
    static char bytes[1 << 20];
    int ends[2];
    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    cr_assert(message_write(ends[1], bytes, 100));
    cr_assert_not(message_write(ends[1], bytes, sizeof bytes));
}

static int drained_pipe;
static _Atomic unsigned interruptions;
static _Atomic unsigned long drained;

/* Handles SIGALRM: two of three signals only interrupt the write; every third one also empties the pipe. */
static void interrupt(int signal_number)
{
    (void)signal_number;
    static char bytes[1 << 16];
    if (++interruptions % 3 == 0) {
        ssize_t length = read(drained_pipe, bytes, sizeof bytes);
        drained += length > 0 ? (unsigned long)length : 0;
    }
}

Test(message_write, goes_on_through_interruptions, .timeout = 120)
{
    static char bytes[1 << 20];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    drained_pipe = ends[0];
    /* The handler is set without SA_RESTART, so an interrupted write returns a short count or fails with EINTR. */
    cr_assert_eq(sigaction(SIGALRM, &(struct sigaction){.sa_handler = interrupt}, NULL), 0);
    struct itimerval often = {{0, 1000}, {0, 1000}};
    cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    bool whole = message_write(ends[1], bytes, sizeof bytes);
    cr_assert_eq(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL), 0);
    cr_assert(whole);
    cr_assert_geq(interruptions, 3);
    ssize_t length;
    while ((length = read(ends[0], bytes, sizeof bytes)) > 0) {
        drained += (unsigned long)length;
    }
    cr_assert_eq(drained, sizeof bytes);
}

static _Atomic unsigned caught;

static void catch (int signal_number)
{
    (void)signal_number;
    caught++;
}

static bool is_pending(int signal_number)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, signal_number) == 1;
}

static void expect_unblocked(void)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    CHECK(sigismember(&mask, SIGPIPE) == 0);
    CHECK(sigismember(&mask, SIGXFSZ) == 0);
}

static int open_pipe_without_reader(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    close(ends[0]);
    return ends[1];
}

static void write_to_a_pipe_without_reader(void *handler)
{
    signal(SIGPIPE, handler != NULL ? catch : SIG_DFL);
    int writer = open_pipe_without_reader();
    errno = UNUSUAL;
    CHECK(!message_write(writer, "words", 5));
    CHECK(errno == UNUSUAL);
    CHECK(!is_pending(SIGPIPE));
    CHECK(caught == 0);
    expect_unblocked();
}

/* A write to a pipe without a reader sends SIGPIPE. The program knows nothing of the library's write, so the signal
 * would kill it or surprise its handler. The library must prevent the signal. */
Test(message_write, pipe_without_reader_causes_no_signal)
{
    bool with_handler = true;
    capture_clean(write_to_a_pipe_without_reader, NULL);
    capture_clean(write_to_a_pipe_without_reader, &with_handler);
}

static void write_with_a_signal_pending(void *argument)
{
    sigset_t set;
    (void)argument;
    signal(SIGPIPE, catch);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    CHECK(!message_write(open_pipe_without_reader(), "words", 5));
    CHECK(is_pending(SIGPIPE));
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    CHECK(caught == 1);
}

Test(message_write, signal_of_the_programs_own_stays_pending)
{
    capture_clean(write_with_a_signal_pending, NULL);
}

static void write_beyond_the_file_size_limit(void *argument)
{
    const int *file = argument;
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){3, RLIM_INFINITY}) == 0);
    CHECK(!message_write(*file, "words", 5));
    CHECK(!is_pending(SIGXFSZ));
    expect_unblocked();
}

Test(message_write, file_size_limit_causes_no_signal)
{
    char path[] = "/tmp/sockmalloc-unit-XXXXXX";
    int file = mkstemp(path);
    cr_assert(file >= 0);
    unlink(path);
    capture_clean(write_beyond_the_file_size_limit, &file);
    cr_assert_eq(lseek(file, 0, SEEK_END), 3, "the file has as many bytes as the limit allows");
}

/* The pipe is full and its reader does not read, so the library must give up the message after some time, even if
 * signals interrupt each wait before its end. */
Test(message_write, full_pipe_is_given_up, .timeout = 120)
{
    static char bytes[1 << 20];
    static const suseconds_t periods[] = {0, 1000}; /* microseconds between two signals; 0 for no signals */
    cr_assert_eq(sigaction(SIGALRM, &(struct sigaction){.sa_handler = catch}, NULL), 0);
    for (unsigned i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        int ends[2];
        cr_assert_eq(pipe(ends), 0);
        cr_assert_eq(setitimer(ITIMER_REAL, &(struct itimerval){{0, periods[i]}, {0, periods[i]}}, NULL), 0);
        bool whole = message_write(ends[1], bytes, sizeof bytes);
        cr_assert_eq(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL), 0);
        cr_assert_not(whole);
        expect_unblocked();
        cr_assert_null(crew_fault(), "%s", crew_fault());
    }
}

static int full[2];

/* Handles SIGALRM: waits for LATE_MS milliseconds, which is longer than the library waits for a full pipe (at most 200
 * milliseconds), and then empties the pipe. */
static void empty_late(int number)
{
    enum { LATE_MS = 250 };
    static char bytes[1 << 20];
    (void)number;
    poll(NULL, 0, LATE_MS);
    CHECK(read(full[0], bytes, sizeof bytes) > 0);
}

/* The handler of a signal takes longer than the library's wait for a full pipe, and empties the pipe at its end. The
 * library must then look at the pipe once more, and write the message. */
Test(message_write, handler_that_outlasts_the_wait_loses_no_message, .timeout = 120)
{
    cr_assert_eq(pipe2(full, O_NONBLOCK), 0);
    while (write(full[1], "x", 1) == 1) {
    }
    cr_assert_eq(fcntl(full[1], F_SETFL, 0), 0);
    cr_assert_eq(sigaction(SIGALRM, &(struct sigaction){.sa_handler = empty_late}, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, NULL), 0);
    cr_assert(message_write(full[1], "words", 5));
    cr_assert_null(crew_fault(), "%s", crew_fault());
}
