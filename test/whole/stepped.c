/* These cases send a signal after each single instruction of malloc and free, and test that the signal's handler may
 * allocate, fork or leave by longjmp there. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A child repeats one piece of work, which allocates and frees. The tracer stops the child by ptrace in each
 * repetition, one instruction later than in the one before, sends it the signal HIT, and lets the handler and the rest
 * of the work run. So the signal arrives once at each instruction, and nothing depends on chance.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"

/* Before each call of the function `work`, WARM blocks are allocated and then freed into the thread's cache. They do
 * not fill its magazine, so malloc and free stay on the fast path. */
enum { SIZE = 4096, WARM = 8, MANY = 100, LEAST_STEPS = 60 };

/* HIT is the signal that is sent at each instruction. The traced child raises BEGIN before each call of `work` and END
 * after it, so that the tracer knows where `work` begins and ends. */
enum { HIT = SIGALRM, BEGIN = SIGSTOP, END = SIGTSTP };

static size_t size = SIZE; /* the size in bytes of the blocks; the first argument of the case sets it */
/* A signal is sent at every `stride`-th instruction. The second argument of the case sets this number. */
static unsigned stride = 1;
static sigjmp_buf out;
static volatile sig_atomic_t forks;
static volatile sig_atomic_t is_child;
static volatile sig_atomic_t jumps;
static volatile sig_atomic_t hits;

/* Allocates and frees a block, as the handler of a program may do. */
static void borrow(void)
{
    char *block = check_hide(malloc(size));
    CHECK(block != NULL);
    block[0] = block[size - 1] = 'h';
    free(block);
}

static void hit(int signal_number)
{
    (void)signal_number;
    hits++;
    if (forks) {
        pid_t child = fork();
        CHECK(child >= 0);
        is_child = child == 0;
        if (child > 0) {
            check_wait(child);
        }
        return;
    }
    borrow();
    if (jumps) {
        siglongjmp(out, 1);
    }
}

/* Allocates `count` blocks, which are live at the same time, and checks by their bytes that no two of them overlap. */
static void check_so_many(int count)
{
    char *block[MANY];
    for (int i = 0; i < count; i++) {
        block[i] = check_hide(malloc(size));
        CHECK(block[i] != NULL);
        block[i][0] = block[i][size - 1] = (char)i;
    }
    for (int i = 0; i < count; i++) {
        CHECK_EQUAL(block[i][0], i);
        CHECK_EQUAL(block[i][size - 1], i);
        free(block[i]);
    }
}

static void check_distinct(void)
{
    check_so_many(WARM);
}

/*
 * Checks the pools of a fork child, and ends the child. For the check, allocates at least as many blocks as there can
 * be free slots in the child, so that each free slot is used.
 */
static void end_child(void)
{
    check_so_many(MANY);
    CHECK_EQUAL(pools_figure("live"), 0);
    pools_check_ledger();
    _exit(EXIT_SUCCESS);
}

/* Allocates two blocks, and frees the first one before the second. free stores the address of the first block's slot in
 * an entry of the magazine. Until then this entry still has the address of the second block's slot, which is in use. */
static void work(void)
{
    char *first = check_hide(malloc(size));
    char *second = check_hide(malloc(size));
    CHECK(first != NULL && second != NULL && first != second);
    first[0] = 'f';
    second[0] = 's';
    CHECK_EQUAL(first[0], 'f');
    free(first);
    CHECK_EQUAL(second[0], 's');
    free(second);
}

static void *sleep_on(void *unused)
{
    for (;;) {
        pause();
    }
    return unused;
}

/* Starts a second thread in the process that will fork, because the child of a process with several threads finds its
 * free slots in its own way: by their metadata. */
static void begin_a_second_thread(void)
{
    pthread_t thread;
    sigset_t all;
    sigset_t mask;
    sigfillset(&all);
    CHECK_EQUAL(pthread_sigmask(SIG_SETMASK, &all, &mask), 0);
    CHECK_EQUAL(pthread_create(&thread, NULL, sleep_on, NULL), 0);
    CHECK_EQUAL(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
}

/* Calls `work` again and again, for ever. The tracer counts the instructions between the signals BEGIN and END. */
static void work_for_ever(void)
{
    CHECK_EQUAL(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
    signal(HIT, hit);
    /* END is ignored, so that it does not stop a fork child of this process, which no tracer traces. The tracer of this
     * process still sees END. */
    signal(END, SIG_IGN);
    for (;;) {
        if (is_child) {
            end_child();
        }
        check_distinct();
        check_distinct();
        if (sigsetjmp(out, 1) == 0) {
            raise(BEGIN);
            work();
            raise(END);
        }
    }
}

/* Lets the child continue by the ptrace request `how`. The child gets the signal `signal_number`, or none if this is 0.
 * Returns the signal at which the child stops next. */
static int go_on(pid_t child, enum __ptrace_request how, int signal_number)
{
    int status;
    CHECK_EQUAL(ptrace(how, child, NULL, (void *)(intptr_t)signal_number), 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFSTOPPED(status));
    return WSTOPSIG(status);
}

/* Lets the child execute `count` instructions of the function `work`. Returns false if `work` ended before that. */
static bool step(pid_t child, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (go_on(child, PTRACE_SINGLESTEP, 0) == END) {
            return false;
        }
    }
    return true;
}

/*
 * Sends HIT to the child at the instruction where it has stopped, and lets the child run until the work begins again.
 */
static void hit_here(pid_t child)
{
    int stop = go_on(child, PTRACE_CONT, HIT);
    /* The child stops at END when it has completed `work`, unless its handler left `work` by longjmp. It stops at
     * SIGCHLD when its handler has forked and the new process has ended. */
    while (stop == END || stop == SIGCHLD) {
        stop = go_on(child, PTRACE_CONT, 0);
    }
    CHECK_EQUAL(stop, BEGIN);
}

static void hit_everywhere(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (forks) {
            begin_a_second_thread();
        }
        work_for_ever();
    }
    int status;
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == BEGIN);
    CHECK_EQUAL(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_EXITKILL), 0);
    unsigned count = 0;
    while (step(child, count)) {
        hit_here(child);
        count += stride;
    }
    CHECK_EQUAL(ptrace(PTRACE_KILL, child, NULL, NULL), 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(count >= LEAST_STEPS);
}

CASE(handler_takes_and_frees)
{
    hit_everywhere();
}

CASE(handler_jumps_out)
{
    jumps = 1;
    hit_everywhere();
}

/* The signal handler forks. The new process returns from the handler into the interrupted malloc or free, and completes
 * the work. */
CASE(handler_forks)
{
    forks = 1;
    CHECK(check_arguments[0] != NULL && check_arguments[1] != NULL);
    size = (size_t)atol(check_arguments[0]);
    stride = (unsigned)atoi(check_arguments[1]);
    hit_everywhere();
}
