/* These cases test that free memory goes back to the kernel while a program waits in accept, and that accept otherwise
 * behaves as libc's accept does. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "burst.h"
#include "check.h"
#include "filter.h"

enum {
    BACKLOG = 16,
    ROUNDS = 8,
    SIGNALS = 3,
    WORKERS = 4,
    SHORT = 20, /* in milliseconds */
    /* in milliseconds, and shorter than the decay time of 10 s that the test module sets in its runs `late`. If a call
     * of accept takes less than MUCH_LATER, it has not waited there until free memory was due to be purged. */
    MUCH_LATER = 4000,
    /* time limit of a case in seconds; if the library lost a signal, accept would wait for ever */
    MOST_SECONDS = 30,
    UNUSUAL = 4242, /* a value of errno that no call sets */
};

static int listener;
static struct sockaddr_in place;

static struct sockaddr *address_of(struct sockaddr_in *address)
{
    return (struct sockaddr *)(void *)address;
}

static void open_listener(void)
{
    socklen_t size = sizeof place;
    alarm(MOST_SECONDS);
    place = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listener >= 0 && bind(listener, address_of(&place), sizeof place) == 0 && listen(listener, BACKLOG) == 0);
    CHECK_EQUAL(getsockname(listener, address_of(&place), &size), 0);
}

static int connect_to_listener(void)
{
    int file = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(file >= 0 && connect(file, address_of(&place), sizeof place) == 0);
    return file;
}

static uint64_t clock_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- ways to accept -------------------------------------------------------------------- */

static int by_accept(int file)
{
    return accept(file, NULL, NULL);
}

static int by_accept4(int file)
{
    return accept4(file, NULL, NULL, SOCK_CLOEXEC);
}

static int (*const ways[])(int) = {by_accept, by_accept4};
enum { WAYS = sizeof ways / sizeof *ways };

/* --- what other threads do to a thread that waits in accept --- */

static pthread_t sleeper;
static pid_t sleeper_number;

static void note_sleeper(void)
{
    sleeper = pthread_self();
    sleeper_number = gettid();
}

/* Waits until the thread that calls accept sleeps. That thread sleeps in no other call, so it then waits in accept. */
static void await_sleep(void)
{
    char path[64];
    char state = ' ';
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)sleeper_number);
    while (state != 'S') {
        burst_nap(SHORT);
        FILE *file = fopen(path, "r");
        CHECK(file != NULL && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
        fclose(file);
    }
}

static volatile sig_atomic_t handled;
static sigset_t mask_of_handler;

static void count(int signal_number)
{
    (void)signal_number;
    pthread_sigmask(SIG_SETMASK, NULL, &mask_of_handler);
    handled++;
}

static void handle(int signal_number, int flags)
{
    struct sigaction action = {.sa_handler = count, .sa_flags = flags};
    CHECK_EQUAL(sigaction(signal_number, &action, NULL), 0);
}

/* Checks that a signal mask is the wanted one. libc's own signals are not compared, because libc blocks one of them
 * when it unwinds a cancelled thread. */
static void expect_mask(const sigset_t *mask, const sigset_t *wanted, int handled_signal)
{
    for (int number = 1; number < NSIG; number = number + 1 == __SIGRTMIN ? SIGRTMIN : number + 1) {
        CHECK_EQUAL(sigismember(mask, number), number == handled_signal || sigismember(wanted, number));
    }
}

static void send_and_await(int signal_number)
{
    int before = handled;
    CHECK_EQUAL(pthread_kill(sleeper, signal_number), 0);
    while (handled == before) {
        burst_nap(1);
    }
}

static void *send_one(void *unused)
{
    await_sleep();
    CHECK_EQUAL(pthread_kill(sleeper, SIGUSR2), 0);
    return unused;
}

static void *send_some_and_connect(void *unused)
{
    for (int i = 0; i < SIGNALS; i++) {
        await_sleep();
        send_and_await(SIGUSR2);
    }
    await_sleep();
    close(connect_to_listener());
    return unused;
}

static void *send_of_both_kinds(void *unused)
{
    for (int i = 0; i < SIGNALS; i++) {
        await_sleep();
        send_and_await(SIGUSR2);
    }
    await_sleep();
    send_and_await(SIGRTMIN);
    return unused;
}

static void *connect_when_pages_have_gone(void *unused)
{
    burst_await(BURST_FEW);
    close(connect_to_listener());
    return unused;
}

/* Waits until the library has begun to purge the freed blocks of the burst. Then, while the library purges the rest,
 * sends SIGUSR2 to the thread that calls accept. */
static void *send_while_pages_go(void *unused)
{
    burst_await_first_purge();
    CHECK_EQUAL(pthread_kill(sleeper, SIGUSR2), 0);
    return unused;
}

static void *shut_down(void *unused)
{
    await_sleep();
    CHECK_EQUAL(shutdown(listener, SHUT_RD), 0);
    return unused;
}

static int handled_by_then;

/*
 * Makes a burst of blocks and frees them. Then calls accept by the function `way`, before the freed memory is due to be
 * purged, and returns the result of accept. Meanwhile another thread runs `other`. Stores in `handled_by_then` how many
 * signals had been handled when accept returned.
 */
static int accept_beside(void *(*other)(void *), int (*way)(int))
{
    pthread_t thread;
    note_sleeper();
    burst_begin();
    CHECK_EQUAL(pthread_create(&thread, NULL, other, NULL), 0);
    errno = UNUSUAL;
    int result = way(listener);
    int kept = errno;
    handled_by_then = handled;
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    burst_end();
    errno = kept;
    return result;
}

/* --- cases ----------------------------------------------------------------------------- */

static void accept_in_every_way(void)
{
    for (unsigned i = 0; i < WAYS; i++) {
        int file = accept_beside(connect_when_pages_have_gone, ways[i]);
        CHECK(file >= 0);
        CHECK_EQUAL((fcntl(file, F_GETFD) & FD_CLOEXEC) != 0, ways[i] == by_accept4);
        close(file);
    }
}

CASE(pages_go_in_every_accept)
{
    open_listener();
    accept_in_every_way();
}

CASE(pages_go_in_a_child)
{
    open_listener();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(MOST_SECONDS);
        accept_in_every_way();
        exit(0);
    }
    check_wait(child);
}

/*
 * Calls accept in a process of one thread. accept continues after the process's handler of SIGUSR2, which has
 * SA_RESTART. accept ends after the handler of SIGRTMIN, which does not have SA_RESTART. A child sends SIGUSR2
 * `restarting` times, once every `milliseconds`, and then SIGRTMIN again and again until this process kills the child.
 * Returns true if the first SIGRTMIN ended accept, and false if only a later one did: on a busy machine the first one
 * may come before accept waits.
 */
static bool accept_beside_process(int milliseconds, int restarting)
{
    int before = handled;
    pid_t parent = getpid();
    burst_begin();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < restarting; i++) {
            burst_nap(milliseconds);
            CHECK_EQUAL(kill(parent, SIGUSR2), 0);
        }
        do {
            burst_nap(milliseconds);
        } while (getppid() == parent && kill(parent, SIGRTMIN) == 0);
        _exit(0);
    }
    CHECK_EQUAL(accept(listener, NULL, NULL), -1);
    CHECK_EQUAL(errno, EINTR);
    int seen = handled - before;
    CHECK(seen > restarting);
    CHECK_EQUAL(kill(child, SIGKILL), 0);
    while (waitpid(child, NULL, 0) < 0) {
        CHECK_EQUAL(errno, EINTR);
    }
    return seen == restarting + 1;
}

CASE(handlers_of_both_kinds_in_one_thread)
{
    open_listener();
    handle(SIGUSR2, SA_RESTART);
    handle(SIGRTMIN, 0);
    for (int round = 0; round < ROUNDS; round++) {
        int early = 0;
        while (!accept_beside_process(2 * SHORT, round % 2 == 0 ? 0 : SIGNALS)) {
            burst_end();
            CHECK(++early < ROUNDS);
        }
        burst_end();
    }
}

/* accept continues after the stats signal, although the program also has handlers that would end accept. */
CASE(statistics_do_not_end_accept)
{
    open_listener();
    handle(SIGRTMIN, 0);
    burst_begin();
    pid_t parent = getpid();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        burst_nap(2 * SHORT);
        CHECK_EQUAL(kill(parent, SIGUSR1), 0);
        burst_nap(2 * SHORT);
        close(connect_to_listener());
        _exit(0);
    }
    int file = accept(listener, NULL, NULL);
    CHECK(file >= 0);
    close(file);
    check_wait(child);
    burst_end();
}

CASE(pages_go_beside_handlers_of_both_kinds)
{
    open_listener();
    handle(SIGUSR2, SA_RESTART);
    handle(SIGRTMIN, 0);
    accept_beside_process(MUCH_LATER / 4, 0);
    CHECK(burst_resident() <= BURST_FEW);
    burst_end();
}

/*
 * If some handlers of a program have SA_RESTART and others do not, and the process has several threads, the library's
 * accept purges nothing while it waits for a connection. It purges the free pages that are due before it waits. A later
 * call of accept purges the pages that become due during this wait.
 */
CASE(pages_go_beside_handlers_of_both_kinds_and_threads)
{
    open_listener();
    handle(SIGUSR2, 0);
    handle(SIGRTMIN, SA_RESTART);
    CHECK_EQUAL(accept_beside(send_one, by_accept), -1);
    burst_begin();
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        CHECK_EQUAL(pthread_create(&thread, NULL, send_one, NULL), 0);
        CHECK(accept(listener, NULL, NULL) == -1 && errno == EINTR);
        CHECK_EQUAL(pthread_join(thread, NULL), 0);
    }
    CHECK(burst_resident() <= BURST_FEW_AND_CACHED);
    burst_end();
}

CASE(address_is_the_peer_s)
{
    struct sockaddr_in mine = {0};
    struct sockaddr_in peer[WAYS] = {{0}};
    socklen_t size = sizeof mine;
    open_listener();
    burst_begin();
    for (unsigned i = 0; i < WAYS; i++) {
        int ours = connect_to_listener();
        CHECK_EQUAL(getsockname(ours, address_of(&mine), &size), 0);
        int file = i == 0 ? accept(listener, address_of(&peer[i]), &size)
                          : accept4(listener, address_of(&peer[i]), &size, SOCK_NONBLOCK);
        CHECK(file >= 0);
        CHECK_EQUAL(size, sizeof mine);
        CHECK_EQUAL(peer[i].sin_port, mine.sin_port);
        CHECK_EQUAL((fcntl(file, F_GETFL) & O_NONBLOCK) != 0, i == 1);
        close(file);
        close(ours);
    }
    burst_end();
}

CASE(handler_without_restart_ends_accept)
{
    sigset_t before;
    sigset_t after;
    open_listener();
    handle(SIGUSR2, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_EQUAL(accept_beside(send_one, ways[(unsigned)round % WAYS]), -1);
        CHECK_EQUAL(errno, EINTR);
        CHECK_EQUAL(handled_by_then, round + 1);
        expect_mask(&mask_of_handler, &before, SIGUSR2);
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        expect_mask(&after, &before, 0);
    }
}

CASE(handler_with_restart_does_not_end_accept)
{
    sigset_t before;
    open_listener();
    handle(SIGUSR2, SA_RESTART);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    for (int round = 0; round < ROUNDS; round++) {
        int file = accept_beside(send_some_and_connect, ways[(unsigned)round % WAYS]);
        CHECK(file >= 0);
        CHECK_EQUAL(errno, UNUSUAL);
        CHECK_EQUAL(handled_by_then, SIGNALS * (round + 1));
        expect_mask(&mask_of_handler, &before, SIGUSR2);
        close(file);
    }
}

CASE(handlers_of_both_kinds_do_what_each_says)
{
    open_listener();
    handle(SIGUSR2, SA_RESTART);
    handle(SIGRTMIN, 0);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_EQUAL(accept_beside(send_of_both_kinds, ways[(unsigned)round % WAYS]), -1);
        CHECK_EQUAL(errno, EINTR);
        CHECK_EQUAL(handled_by_then, (SIGNALS + 1) * (round + 1));
    }
}

typedef int interrupt_function(int, int);

/* If the program changes a handler's SA_RESTART flag, by siginterrupt or by another sigaction, the next accept obeys
 * the new flag. */
CASE(handlers_may_change)
{
    open_listener();
    for (int round = 0; round < ROUNDS; round++) {
        handle(SIGUSR2, SA_RESTART);
        int file = accept_beside(send_some_and_connect, by_accept);
        CHECK(file >= 0);
        close(file);
        CHECK_EQUAL(((interrupt_function *)check_find("siginterrupt"))(SIGUSR2, 1), 0);
        CHECK_EQUAL(accept_beside(send_one, by_accept), -1);
        CHECK_EQUAL(errno, EINTR);
    }
}

/*
 * The library's own accept purges free pages before it waits for a connection. A signal that arrives during the purge
 * must still end accept with EINTR. If the library lost the signal, accept would not return, and the case would fail at
 * its time limit.
 */
CASE(no_signal_is_lost_while_pages_go)
{
    open_listener();
    handle(SIGUSR2, 0);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_EQUAL(accept_beside(send_while_pages_go, ways[(unsigned)round % WAYS]), -1);
        CHECK_EQUAL(errno, EINTR);
        CHECK_EQUAL(handled_by_then, round + 1);
    }
}

/* Sets SO_RCVTIMEO on the listening socket. The kernel then ends accept at any handler, even at one with SA_RESTART. */
static void limit_accept(int milliseconds)
{
    struct timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000L};
    CHECK_EQUAL(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
}

CASE(limit_of_the_socket_holds)
{
    enum { ASKED = 120 };
    open_listener();
    limit_accept(ASKED);
    burst_begin();
    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t begin = clock_milliseconds();
        CHECK_EQUAL(ways[i](listener), -1);
        CHECK_EQUAL(errno, EAGAIN);
        uint64_t end = clock_milliseconds();
        CHECK(end + 1 >= begin + ASKED && end < begin + MUCH_LATER);
    }
    burst_end();
    limit_accept(MOST_SECONDS * 1000);
    handle(SIGUSR2, SA_RESTART);
    CHECK_EQUAL(accept_beside(send_one, by_accept), -1);
    CHECK_EQUAL(errno, EINTR);
}

CASE(accept_that_does_not_wait_returns_at_once)
{
    int ends[2];
    struct sockaddr_in other = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    open_listener();
    burst_begin();
    int idle = socket(AF_INET, SOCK_STREAM, 0);
    int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(datagrams >= 0 && bind(datagrams, address_of(&other), sizeof other) == 0);
    CHECK_EQUAL(pipe(ends), 0);
    int connection = connect_to_listener();
    uint64_t begin = clock_milliseconds();
    int accepted = accept(listener, NULL, NULL);
    CHECK(accepted >= 0);
    CHECK(accept4(listener, NULL, NULL, ~0) == -1 && errno == EINVAL);
    const struct {
        int file;
        int error;
    } rows[] = {
        {-1, EBADF},          {MOST_SECONDS * 1000, EBADF}, {ends[0], ENOTSOCK},     {idle, EINVAL},
        {connection, EINVAL}, {accepted, EINVAL},           {datagrams, EOPNOTSUPP},
    };
    for (unsigned row = 0; row < sizeof rows / sizeof *rows; row++) {
        for (unsigned i = 0; i < WAYS; i++) {
            CHECK_EQUAL(ways[i](rows[row].file), -1);
            CHECK_EQUAL(errno, rows[row].error);
        }
    }
    CHECK_EQUAL(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    CHECK(accept(listener, NULL, NULL) == -1 && errno == EAGAIN);
    CHECK(accept4(listener, NULL, NULL, 0) == -1 && errno == EAGAIN);
    CHECK(clock_milliseconds() < begin + MUCH_LATER);
    burst_end();
}

CASE(listener_that_is_shut_down_ends_accept)
{
    open_listener();
    CHECK_EQUAL(accept_beside(shut_down, by_accept), -1);
    CHECK_EQUAL(errno, EINVAL);
}

static sigset_t mask_when_cancelled;

static void note_mask(void *unused)
{
    (void)unused;
    pthread_sigmask(SIG_SETMASK, NULL, &mask_when_cancelled);
}

static void *accept_for_ever(void *way)
{
    note_sleeper();
    pthread_cleanup_push(note_mask, NULL);
    ways[(uintptr_t)way](listener);
    pthread_cleanup_pop(0);
    return NULL;
}

CASE(every_accept_can_be_cancelled)
{
    sigset_t mask;
    open_listener();
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (uintptr_t i = 0; i < WAYS; i++) {
        void *end;
        pthread_t other;
        sleeper_number = 0;
        burst_begin();
        CHECK_EQUAL(pthread_create(&other, NULL, accept_for_ever, (void *)i), 0);
        burst_nap(ROUNDS * SHORT);
        CHECK_EQUAL(pthread_cancel(other), 0);
        CHECK_EQUAL(pthread_join(other, &end), 0);
        CHECK(end == PTHREAD_CANCELED);
        expect_mask(&mask_when_cancelled, &mask, 0);
        burst_end();
    }
}

/*
 * Behind a seccomp filter, the library's accept does not test if libc's accept would have to wait, because that test
 * needs a system call. The library's accept does not change the signal mask either. It purges the pages that are due to
 * be purged, and then calls libc's accept. If no pages are due, libc's accept makes the only system call.
 */
CASE(filtered_accept_makes_no_other_call)
{
    open_listener();
    limit_accept(SHORT);
    burst_begin();
    filter_forbid(SYS_ppoll);
    filter_forbid(SYS_getsockopt);
    filter_forbid(SYS_fcntl);
    filter_forbid(SYS_rt_sigaction);
    filter_forbid(SYS_rt_sigpending);
    filter_forbid(SYS_rt_sigprocmask);
    for (int i = 0; i < ROUNDS; i++) {
        for (unsigned way = 0; way < WAYS; way++) {
            CHECK(ways[way](listener) == -1 && errno == EAGAIN);
        }
    }
    burst_end();
}

static int reports[2];

static void *report_when_pages_have_gone(void *unused)
{
    burst_await(BURST_FEW);
    CHECK_EQUAL(write(reports[1], "", 1), 1);
    return unused;
}

static void work_for_ever(void)
{
    pthread_t thread;
    alarm(MOST_SECONDS);
    burst_begin();
    CHECK_EQUAL(pthread_create(&thread, NULL, report_when_pages_have_gone, NULL), 0);
    for (;;) {
        int file = accept(listener, NULL, NULL);
        CHECK(file >= 0);
        close(file);
    }
}

/* A connection wakes all processes that wait for it in accept. Those that do not get the connection continue to wait,
 * and still purge their free memory. */
CASE(pages_go_in_all_workers_of_a_socket)
{
    pid_t workers[WORKERS];
    open_listener();
    CHECK_EQUAL(pipe2(reports, O_NONBLOCK), 0);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        CHECK(workers[i] >= 0);
        if (workers[i] == 0) {
            work_for_ever();
        }
    }
    for (int reported = 0; reported < WORKERS;) {
        char byte;
        close(connect_to_listener());
        burst_nap(SHORT / 4);
        reported += read(reports[0], &byte, 1) == 1;
    }
    for (int i = 0; i < WORKERS; i++) {
        CHECK_EQUAL(kill(workers[i], SIGKILL), 0);
        CHECK_EQUAL(waitpid(workers[i], NULL, 0), workers[i]);
    }
}
