/* These cases test that free memory goes back to the kernel while a program waits for events, and that the library's
 * version of each waiting call otherwise does what libc's does. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "burst.h"
#include "check.h"
#include "filter.h"

enum {
    FOR_EVER = -1, /* the timeout of a wait that has no time limit */
    ROUNDS = 3,
    SHORT = 20,        /* milliseconds */
    MOST_SECONDS = 60, /* time limit of a case in seconds; if the library lost a signal, a wait would never end */
};

static int ends[2];
static struct epoll_event event;

/* --- ways to wait ---------------------------------------------------------------------- */

static int epoll_of(int file)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = file};
    CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, file, &wanted) == 0);
    return epoll;
}

static const struct timespec *time_of(int milliseconds, struct timespec *room)
{
    *room = (struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L};
    return milliseconds == FOR_EVER ? NULL : room;
}

/* Closes the descriptor `file` and returns `result`. errno stays as it was before the close. */
static int after_closing(int file, int result)
{
    int kept = errno;
    close(file);
    errno = kept;
    return result;
}

static int by_epoll_wait(int file, int milliseconds, const sigset_t *mask)
{
    (void)mask;
    int epoll = epoll_of(file);
    return after_closing(epoll, epoll_wait(epoll, &event, 1, milliseconds));
}

static int by_epoll_pwait(int file, int milliseconds, const sigset_t *mask)
{
    int epoll = epoll_of(file);
    return after_closing(epoll, epoll_pwait(epoll, &event, 1, milliseconds, mask));
}

typedef int epoll_pwait2_function(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);
static int by_epoll_pwait2(int file, int milliseconds, const sigset_t *mask)
{
    struct timespec room;
    int epoll = epoll_of(file);
    epoll_pwait2_function *wait = (epoll_pwait2_function *)check_find("epoll_pwait2");
    return after_closing(epoll, wait(epoll, &event, 1, time_of(milliseconds, &room), mask));
}

static int by_poll(int file, int milliseconds, const sigset_t *mask)
{
    (void)mask;
    return poll(&(struct pollfd){file, POLLIN, 0}, 1, milliseconds);
}

typedef int poll_function(struct pollfd *, nfds_t, int);
static int by_old_poll(int file, int milliseconds, const sigset_t *mask)
{
    (void)mask;
    return ((poll_function *)check_find("__poll"))(&(struct pollfd){file, POLLIN, 0}, 1, milliseconds);
}

typedef int checked_poll_function(struct pollfd *, nfds_t, int, size_t);
static int by_checked_poll(int file, int milliseconds, const sigset_t *mask)
{
    (void)mask;
    struct pollfd one = {file, POLLIN, 0};
    return ((checked_poll_function *)check_find("__poll_chk"))(&one, 1, milliseconds, sizeof one);
}

static int by_ppoll(int file, int milliseconds, const sigset_t *mask)
{
    struct timespec room;
    return ppoll(&(struct pollfd){file, POLLIN, 0}, 1, time_of(milliseconds, &room), mask);
}

typedef int checked_ppoll_function(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
static int by_checked_ppoll(int file, int milliseconds, const sigset_t *mask)
{
    struct timespec room;
    struct pollfd one = {file, POLLIN, 0};
    checked_ppoll_function *wait = (checked_ppoll_function *)check_find("__ppoll_chk");
    return wait(&one, 1, time_of(milliseconds, &room), mask, sizeof one);
}

static fd_set *set_of(int file, fd_set *set)
{
    FD_ZERO(set);
    FD_SET(file, set);
    return set;
}

typedef int select_function(int, fd_set *, fd_set *, fd_set *, struct timeval *);
static int by_select_function(select_function *wait, int file, int milliseconds)
{
    fd_set set;
    struct timeval left = {milliseconds / 1000, milliseconds % 1000 * 1000L};
    int result = wait(file + 1, set_of(file, &set), NULL, NULL, milliseconds == FOR_EVER ? NULL : &left);
    CHECK(result < 0 || (FD_ISSET(file, &set) != 0) == (result == 1));
    CHECK(result != 0 || (left.tv_sec == 0 && left.tv_usec == 0));
    return result;
}

static int by_select(int file, int milliseconds, const sigset_t *mask)
{
    (void)mask;
    return by_select_function(select, file, milliseconds);
}

static int by_old_select(int file, int milliseconds, const sigset_t *mask)
{
    (void)mask;
    return by_select_function((select_function *)check_find("__select"), file, milliseconds);
}

static int by_pselect(int file, int milliseconds, const sigset_t *mask)
{
    fd_set set;
    struct timespec room;
    int result = pselect(file + 1, set_of(file, &set), NULL, NULL, time_of(milliseconds, &room), mask);
    CHECK(result < 0 || (FD_ISSET(file, &set) != 0) == (result == 1));
    return result;
}

static const struct way {
    int (*wait)(int file, int milliseconds, const sigset_t *mask);
    bool takes_mask;
} ways[] = {
    {by_epoll_wait, false}, {by_epoll_pwait, true},   {by_epoll_pwait2, true}, {by_poll, false},
    {by_old_poll, false},   {by_checked_poll, false}, {by_ppoll, true},        {by_checked_ppoll, true},
    {by_select, false},     {by_old_select, false},   {by_pselect, true},
};
enum { WAYS = sizeof ways / sizeof *ways };

static void open_pipe(void)
{
    alarm(MOST_SECONDS);
    CHECK_EQUAL(pipe(ends), 0);
}

/* --- cases ----------------------------------------------------------------------------- */

static void *write_when_pages_have_gone(void *unused)
{
    burst_await(BURST_FEW);
    CHECK_EQUAL(write(ends[1], "", 1), 1);
    return unused;
}

/* Waits by each of the waiting calls, one after the other. Another thread ends each wait: it writes a byte when the
 * library has purged the freed blocks of a burst. */
static void wait_in_every_way(void)
{
    for (unsigned i = 0; i < WAYS; i++) {
        char byte;
        pthread_t other;
        burst_begin();
        CHECK(burst_resident() > BURST_FEW);
        CHECK_EQUAL(pthread_create(&other, NULL, write_when_pages_have_gone, NULL), 0);
        CHECK_EQUAL(ways[i].wait(ends[0], FOR_EVER, NULL), 1);
        CHECK_EQUAL(pthread_join(other, NULL), 0);
        CHECK_EQUAL(read(ends[0], &byte, 1), 1);
        burst_end();
    }
}

CASE(pages_go_in_every_wait)
{
    open_pipe();
    wait_in_every_way();
}

static atomic_bool freed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t over = PTHREAD_COND_INITIALIZER;

/*
 * Frees memory while the main thread is already in its wait. Then sleeps in a call in which the library purges nothing,
 * so that only the main thread can purge.
 */
static void *free_and_sleep_elsewhere(void *unused)
{
    burst_nap(SHORT);
    burst_begin();
    burst_end();
    freed = true;
    CHECK_EQUAL(pthread_mutex_lock(&lock), 0);
    CHECK_EQUAL(pthread_cond_wait(&over, &lock), 0);
    CHECK_EQUAL(pthread_mutex_unlock(&lock), 0);
    return unused;
}

static void *write_when_few_pages_are_left(void *unused)
{
    while (!freed) {
        burst_nap(SHORT);
    }
    burst_await(BURST_FEW_AND_CACHED);
    CHECK_EQUAL(write(ends[1], "", 1), 1);
    return unused;
}

CASE(pages_go_that_another_thread_frees_later)
{
    char byte;
    pthread_t worker;
    pthread_t looker;
    open_pipe();
    CHECK_EQUAL(pthread_create(&worker, NULL, free_and_sleep_elsewhere, NULL), 0);
    CHECK_EQUAL(pthread_create(&looker, NULL, write_when_few_pages_are_left, NULL), 0);
    CHECK_EQUAL(by_poll(ends[0], FOR_EVER, NULL), 1);
    CHECK_EQUAL(pthread_join(looker, NULL), 0);
    CHECK_EQUAL(pthread_mutex_lock(&lock), 0);
    CHECK_EQUAL(pthread_cond_signal(&over), 0);
    CHECK_EQUAL(pthread_mutex_unlock(&lock), 0);
    CHECK_EQUAL(pthread_join(worker, NULL), 0);
    CHECK_EQUAL(read(ends[0], &byte, 1), 1);
}

static volatile sig_atomic_t handled;

static void count(int signal_number)
{
    (void)signal_number;
    handled++;
}

static void handle(void)
{
    struct sigaction action = {.sa_handler = count};
    CHECK_EQUAL(sigaction(SIGUSR2, &action, NULL), 0);
}

static pthread_t sleeper;

static void *send_when_pages_have_gone(void *unused)
{
    burst_await(BURST_FEW);
    CHECK_EQUAL(pthread_kill(sleeper, SIGUSR2), 0);
    return unused;
}

static void expect_mask(const sigset_t *wanted)
{
    sigset_t mask;
    CHECK_EQUAL(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    for (int number = 1; number < NSIG; number++) {
        CHECK_EQUAL(sigismember(&mask, number), sigismember(wanted, number));
    }
}

CASE(signals_end_every_wait)
{
    sigset_t mask;
    open_pipe();
    handle();
    sleeper = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (unsigned i = 0; i < WAYS; i++) {
        pthread_t other;
        burst_begin();
        CHECK_EQUAL(pthread_create(&other, NULL, send_when_pages_have_gone, NULL), 0);
        CHECK_EQUAL(ways[i].wait(ends[0], FOR_EVER, NULL), -1);
        CHECK_EQUAL(errno, EINTR);
        CHECK_EQUAL(handled, i + 1);
        CHECK_EQUAL(pthread_join(other, NULL), 0);
        expect_mask(&mask);
        burst_end();
    }
}

/* Waits until the library has begun to purge the freed blocks of the burst. Then, while the library purges the rest,
 * sends SIGUSR2 to the thread that waits for events. */
static void *send_while_pages_go(void *unused)
{
    burst_await_first_purge();
    CHECK_EQUAL(pthread_kill(sleeper, SIGUSR2), 0);
    return unused;
}

/* Signals arrive while a wait purges pages, and each must end the wait. If one were lost, the wait would not end, and
 * the case would fail at its time limit. */
CASE(no_signal_is_lost_while_pages_go)
{
    open_pipe();
    handle();
    sleeper = pthread_self();
    for (unsigned round = 0; round < ROUNDS * WAYS; round++) {
        pthread_t other;
        burst_begin();
        CHECK_EQUAL(pthread_create(&other, NULL, send_while_pages_go, NULL), 0);
        CHECK_EQUAL(ways[round % WAYS].wait(ends[0], FOR_EVER, NULL), -1);
        CHECK_EQUAL(errno, EINTR);
        CHECK_EQUAL(handled, round + 1);
        CHECK_EQUAL(pthread_join(other, NULL), 0);
        burst_end();
    }
}

/* The signal is blocked and pending. The waiting call gets a signal mask in which the signal is not blocked. So the
 * signal must end the wait as soon as the wait begins. */
CASE(wait_has_the_mask_that_it_was_given)
{
    sigset_t blocked;
    sigset_t mask;
    open_pipe();
    handle();
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, &blocked, &mask), 0);
    for (unsigned i = 0; i < WAYS; i++) {
        int expected = handled + ways[i].takes_mask;
        burst_begin();
        CHECK_EQUAL(raise(SIGUSR2), 0);
        CHECK_EQUAL(ways[i].wait(ends[0], ways[i].takes_mask ? FOR_EVER : 20, &mask), ways[i].takes_mask ? -1 : 0);
        CHECK_EQUAL(handled, expected);
        burst_end();
    }
}

static uint64_t clock_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

CASE(no_wait_is_shorter)
{
    enum { ASKED = 120 };
    sigset_t mask;
    open_pipe();
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (unsigned i = 0; i < WAYS; i++) {
        burst_begin();
        uint64_t begin = clock_milliseconds();
        CHECK_EQUAL(ways[i].wait(ends[0], ASKED, NULL), 0);
        CHECK(clock_milliseconds() + 1 >= begin + ASKED);
        expect_mask(&mask);
        burst_end();
    }
}

static sigset_t mask_when_cancelled;

static void note_mask(void *unused)
{
    (void)unused;
    pthread_sigmask(SIG_SETMASK, NULL, &mask_when_cancelled);
}

static void *wait_for_ever(void *way)
{
    pthread_cleanup_push(note_mask, NULL);
    ((const struct way *)way)->wait(ends[0], FOR_EVER, NULL);
    pthread_cleanup_pop(0);
    return NULL;
}

CASE(every_wait_can_be_cancelled)
{
    sigset_t mask;
    open_pipe();
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (unsigned i = 0; i < WAYS; i++) {
        void *end;
        pthread_t other;
        burst_begin();
        CHECK_EQUAL(pthread_create(&other, NULL, wait_for_ever, (void *)(uintptr_t)&ways[i]), 0);
        burst_await(BURST_FEW_AND_CACHED);
        CHECK_EQUAL(pthread_cancel(other), 0);
        CHECK_EQUAL(pthread_join(other, &end), 0);
        CHECK(end == PTHREAD_CANCELED);
        for (int number = 1; number < NSIG; number++) {
            CHECK_EQUAL(sigismember(&mask_when_cancelled, number), sigismember(&mask, number));
        }
        burst_end();
    }
}

CASE(bad_arguments_are_refused)
{
    const struct timespec bad = {0, -1};
    struct timeval bad_too = {-1, 0};
    struct pollfd one = {0, POLLIN, 0};
    open_pipe();
    burst_begin();
    CHECK(epoll_wait(epoll_of(ends[0]), &event, 0, 100) == -1 && errno == EINVAL);
    CHECK(epoll_wait(-1, &event, 1, 100) == -1 && errno == EBADF);
    CHECK(ppoll(&one, 0, &bad, NULL) == -1 && errno == EINVAL);
    CHECK(select(-1, NULL, NULL, NULL, NULL) == -1 && errno == EINVAL);
    CHECK(select(0, NULL, NULL, NULL, &bad_too) == -1 && errno == EINVAL);
    CHECK(pselect(0, NULL, NULL, NULL, &bad, NULL) == -1 && errno == EINVAL);
    burst_end();
}

/*
 * A descriptor becomes ready for reading during select, which is called with the descriptor in the sets for reading and
 * for exceptional conditions. select must leave it in the first set only, and must store in the timeout how much time
 * was left.
 */
CASE(select_tells_what_is_ready_and_left)
{
    enum { ASKED = 100 };
    fd_set readable;
    fd_set writable;
    fd_set special;
    pthread_t other;
    struct timeval left = {ASKED, 0};
    open_pipe();
    burst_begin();
    set_of(ends[0], &readable);
    FD_ZERO(&writable);
    set_of(ends[0], &special);
    CHECK_EQUAL(pthread_create(&other, NULL, write_when_pages_have_gone, NULL), 0);
    CHECK_EQUAL(select(ends[1] + 1, &readable, &writable, &special, &left), 1);
    CHECK_EQUAL(pthread_join(other, NULL), 0);
    CHECK(FD_ISSET(ends[0], &readable) && !FD_ISSET(ends[0], &special));
    CHECK(left.tv_sec < ASKED && left.tv_sec > 0);
    burst_end();
}

/*
 * Behind a seccomp filter, the library first purges the pages that are due to be purged. Then it makes only the system
 * call that libc's own function makes. The filter of this case forbids epoll_pwait and ppoll, by which the library may
 * wait when there is no filter.
 */
CASE(filtered_wait_makes_no_other_call)
{
    open_pipe();
    burst_begin();
    filter_forbid(SYS_epoll_pwait);
    filter_forbid(SYS_ppoll);
    for (int i = 0; i < 20; i++) {
        CHECK_EQUAL(by_epoll_wait(ends[0], 20, NULL), 0);
        CHECK_EQUAL(by_poll(ends[0], 20, NULL), 0);
    }
    burst_end();
}

/* Behind a seccomp filter the library purges only once before a wait, instead of in several steps. It must then purge
 * the whole of a large slot, and not only a part. */
CASE(large_slot_goes_at_once_behind_a_filter)
{
    enum { SIZE = 4 << 20, PAGES = SIZE / 4096, WAITS = 5 };
    static unsigned char is_resident[PAGES];
    open_pipe();
    char *block = memset(check_hide(malloc(SIZE)), 'x', SIZE);
    free(check_hide(block));
    filter_forbid(SYS_swapon);
    for (int i = 0; i < WAITS; i++) {
        CHECK_EQUAL(by_epoll_wait(ends[0], 20, NULL), 0);
    }
    CHECK_EQUAL(mincore(block, SIZE, is_resident), 0);
    for (size_t page = 0; page < PAGES; page++) {
        CHECK_EQUAL(is_resident[page] & 1, 0);
    }
}

/* Free memory also goes back to the kernel while the child of a process with several threads waits. */
CASE(pages_go_in_a_child)
{
    pthread_t other;
    open_pipe();
    CHECK_EQUAL(pthread_create(&other, NULL, wait_for_ever, (void *)(uintptr_t)&ways[0]), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        open_pipe();
        wait_in_every_way();
        exit(0);
    }
    check_wait(child);
    CHECK_EQUAL(write(ends[1], "", 1), 1);
    CHECK_EQUAL(pthread_join(other, NULL), 0);
}

enum { BUFFER = 4096 };

static char *_Atomic kept_by_handler;

/* A signal handler that allocates a block and keeps it in `kept_by_handler`, unless a block is already there. */
static void keep_a_block(int signal_number)
{
    (void)signal_number;
    if (kept_by_handler == NULL) {
        kept_by_handler = memset(check_hide(malloc(BUFFER)), 'k', BUFFER);
    }
}

/* Allocates blocks, writes to them and frees them again and again, so that the thread's own magazines hold free slots
 * with resident pages. */
static void fill_magazines(void)
{
    enum { TIMES = 400, BLOCKS = 14 };
    char *blocks[BLOCKS];
    for (unsigned round = 0; round < TIMES; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            blocks[i] = memset(check_hide(malloc(BUFFER)), 1, BUFFER);
        }
        for (unsigned i = 0; i < BLOCKS; i++) {
            free(blocks[i]);
        }
    }
}

/* Waits for events until a signal ends the wait. A timer sends the signal first after `microseconds` and then every
 * millisecond. */
static void poll_until_alarm(long microseconds)
{
    struct itimerval soon = {{0, 1000}, {0, microseconds}}, never = {{0, 0}, {0, 0}};
    CHECK_EQUAL(setitimer(ITIMER_REAL, &soon, NULL), 0);
    poll(NULL, 0, MOST_SECONDS);
    CHECK_EQUAL(setitimer(ITIMER_REAL, &never, NULL), 0);
}

/* Behind a seccomp filter the library cannot block signals while it purges. If a signal handler then allocates a block,
 * the purge must not clear the bytes that the handler writes to it. */
CASE(handlers_keep_their_bytes_behind_a_filter)
{
    enum { HANDLERS = 100, MICROSECONDS = 30 };
    static char unused;
    unsigned seed = 1;
    filter_forbid(SYS_swapon);
    signal(SIGALRM, keep_a_block);
    for (unsigned round = 0; round < HANDLERS; round++) {
        kept_by_handler = &unused;
        fill_magazines();
        /* the coarse clock, which the library reads, has now advanced since the last purge, so the next waits may purge
         * again */
        burst_nap(11);
        poll_until_alarm(3000);
        burst_nap(11);
        kept_by_handler = NULL;
        poll_until_alarm(1 + rand_r(&seed) % MICROSECONDS);
        char *block = kept_by_handler;
        for (unsigned at = 0; block != NULL && at < BUFFER; at++) {
            CHECK(block[at] == 'k');
        }
        free(block);
    }
}
