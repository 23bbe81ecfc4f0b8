/* These cases test unusual ways to make a process, such as vfork, clone, a fork in a signal handler, and daemon, while
 * threads allocate. The child either calls exec, or exits at once, or can use malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"

enum { CHURNERS = 4, SPAWNS = 100, CLONES = 50, CHILD_DEADLINE_SECONDS = 90, PROGRESS = 1000 };

extern char **environ;
static atomic_bool stop;
static pthread_t churners[CHURNERS];

static void use_all_sizes(void)
{
    char *blocks[POOLS_BUCKETS + 2];
    for (unsigned i = 0; i < POOLS_BUCKETS + 2; i++) {
        size_t size = i < POOLS_BUCKETS ? pools_largest(i) : (i == POOLS_BUCKETS ? 40 : 5000000);
        blocks[i] = malloc(size);
        CHECK(blocks[i] != NULL);
        blocks[i][0] = blocks[i][size - 1] = 1;
    }
    for (unsigned i = 0; i < POOLS_BUCKETS + 2; i++) {
        free(blocks[i]);
    }
}

static void *churn(void *unused)
{
    while (!atomic_load(&stop)) {
        use_all_sizes();
        sched_yield();
    }
    return unused;
}

static void begin_churning(void)
{
    check_start(churners, CHURNERS, churn, NULL);
}

static void end_churning(void)
{
    atomic_store(&stop, true);
    check_join(churners, CHURNERS);
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}

static unsigned count_or(unsigned standard)
{
    return check_arguments[0] != NULL ? (unsigned)atoi(check_arguments[0]) : standard;
}

static void be_child(void)
{
    alarm(CHILD_DEADLINE_SECONDS);
    use_all_sizes();
    _exit(EXIT_SUCCESS);
}

/* A child of vfork shares its parent's memory and only calls exec. The parent's pools must be unchanged afterwards. */
CASE(vfork_and_exec)
{
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    begin_churning();
    for (unsigned i = 0; i < CLONES; i++) {
        pid_t child = vfork();
        if (child == 0) {
            execve("/bin/true", arguments, environ);
            _exit(EXIT_FAILURE);
        }
        check_wait(child);
    }
    end_churning();
}

CASE(spawn_again_and_again)
{
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    begin_churning();
    for (unsigned i = 1; i <= count_or(SPAWNS); i++) {
        pid_t child;
        CHECK_EQUAL(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ), 0);
        check_wait(child);
        if (i % PROGRESS == 0) {
            fprintf(stderr, "children: %u of %u spawned\n", i, count_or(SPAWNS));
        }
    }
    end_churning();
}

/*
 * Neither the system call clone nor _Fork runs fork handlers. So the child inherits the state in which its parent's
 * threads were, perhaps in the middle of malloc or free. The child can allocate all the same, because its thread has a
 * cache of its own and all shared lists are lock-free.
 */
CASE(clone_by_the_system_call)
{
    begin_churning();
    for (unsigned i = 0; i < CLONES; i++) {
        pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
        CHECK(child >= 0);
        if (child == 0) {
            be_child();
        }
        check_wait(child);
    }
    end_churning();
}

CASE(fork_without_handlers)
{
    begin_churning();
    for (unsigned i = 0; i < CLONES; i++) {
        pid_t child = _Fork();
        CHECK(child >= 0);
        if (child == 0) {
            be_child();
        }
        check_wait(child);
    }
    end_churning();
}

/* A signal handler forks after it has interrupted malloc or free at any place. The child exits at once and allocates
 * nothing, like a child that calls exec. `forked` counts the forks. */
static volatile sig_atomic_t forked;

static void fork_in_handler(int signal_number)
{
    (void)signal_number;
    if (check_is_child()) {
        _exit(EXIT_SUCCESS);
    }
    forked++;
}

CASE(fork_from_a_handler)
{
    struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    CHECK_EQUAL(sigaction(SIGUSR2, &action, NULL), 0);
    begin_churning();
    for (int i = 1; i <= CLONES; i++) {
        CHECK_EQUAL(pthread_kill(churners[i % CHURNERS], SIGUSR2), 0);
        while (forked < i) {
            sched_yield();
        }
    }
    end_churning();
}

/*
 * A signal handler interrupts malloc or free, and forks. The child returns from the handler and continues. The
 * interrupted malloc may have been about to return a slot, or the interrupted free to store one in a free list. The
 * child must not allocate that slot twice: no later malloc may return a slot that is in use.
 */
enum { HELD = 64, INTERRUPTIONS = 400, STEPS_OF_A_CHILD = 2000, HELD_SIZE = 20000 };

static volatile sig_atomic_t is_child;
static volatile sig_atomic_t within; /* true while the thread is inside malloc or free */

static void fork_and_return(int signal_number)
{
    (void)signal_number;
    if (is_child || !within) {
        return;
    }
    if (check_is_child()) {
        is_child = 1;
        return;
    }
    forked++;
}

static void expect_own(const uint64_t *block, const void *owner)
{
    for (size_t i = 0; i < 8; i++) {
        CHECK_EQUAL(block[i], (uintptr_t)owner);
    }
}

static void change_one(uint64_t **held)
{
    if (*held != NULL) {
        expect_own(*held, held);
        within = 1;
        free(*held);
        within = 0;
        *held = NULL;
        return;
    }
    within = 1;
    *held = check_hide(malloc(HELD_SIZE));
    within = 0;
    CHECK(*held != NULL);
    for (size_t i = 0; i < 8; i++) {
        (*held)[i] = (uintptr_t)held;
    }
}

static pthread_t interrupted;

static void *interrupt_again_and_again(void *unused)
{
    struct timespec moment = {.tv_nsec = 300000};
    while (!atomic_load(&stop)) {
        CHECK_EQUAL(pthread_kill(interrupted, SIGUSR2), 0);
        nanosleep(&moment, NULL);
    }
    return unused;
}

CASE(child_of_a_handler_goes_on)
{
    static uint64_t *held[HELD];
    struct sigaction action = {.sa_handler = fork_and_return, .sa_flags = SA_RESTART};
    pthread_t interrupter;
    unsigned state = 1;
    unsigned steps = 0;
    CHECK_EQUAL(sigaction(SIGUSR2, &action, NULL), 0);
    interrupted = pthread_self();
    CHECK_EQUAL(pthread_create(&interrupter, NULL, interrupt_again_and_again, NULL), 0);
    /* One more signal may arrive after `forked` has reached its last value, and this signal also forks a child. That
     * child must not leave the loop early, so the loop continues while `is_child` is true. */
    while (is_child || forked < INTERRUPTIONS) {
        state = state * 1103515245 + 12345;
        change_one(&held[state >> 16 & (HELD - 1)]);
        if (is_child && ++steps == STEPS_OF_A_CHILD) {
            _exit(EXIT_SUCCESS);
        }
    }
    atomic_store(&stop, true);
    CHECK_EQUAL(pthread_join(interrupter, NULL), 0);
    for (size_t i = 0; i < HELD; i++) {
        free(held[i]);
    }
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
}

/* daemon(3) forks, and returns only in the new process. The new process writes a byte to a pipe when it has succeeded,
 * because no process waits for its end. */
CASE(daemon_and_double_fork)
{
    int ends[2];
    char byte = 0;
    CHECK_EQUAL(pipe(ends), 0);
    begin_churning();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(CHILD_DEADLINE_SECONDS);
        use_all_sizes();
        if (fork() == 0) {
            CHECK_EQUAL(daemon(0, 0), 0);
            use_all_sizes();
            pools_check_ledger();
            CHECK_EQUAL(write(ends[1], "d", 1), 1);
        }
        _exit(EXIT_SUCCESS);
    }
    CHECK_EQUAL(close(ends[1]), 0);
    check_wait(child);
    CHECK_EQUAL(read(ends[0], &byte, 1), 1);
    CHECK_EQUAL(byte, 'd');
    end_churning();
}
