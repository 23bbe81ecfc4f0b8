/* These cases test what the stats signal does to a program's signal mask, its alternate signal stack and its system
 * calls. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "outside.h"
#include "signals.h"

static void check_mask(int signal_number)
{
    count(signal_number);
    CHECK(is_blocked(STATS) && is_blocked(SIGTERM) && is_blocked(SIGRTMIN));
    CHECK(!is_blocked(SIGHUP));
}

CASE(mask_is_honoured)
{
    struct sigaction action = {.sa_handler = check_mask};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGRTMIN);
    CHECK_EQUAL(sigaction(STATS, &action, NULL), 0);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
    CHECK(!is_blocked(STATS) && !is_blocked(SIGTERM) && !is_blocked(SIGRTMIN));
}

static void check_not_blocked(int signal_number)
{
    count(signal_number);
    CHECK(!is_blocked(STATS));
}

CASE(nodefer)
{
    set(check_not_blocked, SA_NODEFER);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
}

static char *alternate;
static size_t alternate_size;

static void check_stack(int signal_number)
{
    char here;
    char *address = check_hide(&here);
    count(signal_number);
    CHECK(address >= alternate && address < alternate + alternate_size);
}

/*
 * The number of bytes that a handler can use on an alternate stack of 8 KiB, the value that SIGSTKSZ had formerly. The
 * signal frame needs the other 2 KiB, the value that MINSIGSTKSZ had formerly. Processors with large registers have
 * larger frames, and programs should make their stacks larger there.
 */
enum { HANDLER_ROOM = 8192 - 2048 };

/* The alternate stack has only HANDLER_ROOM bytes beside the signal frame, and an inaccessible page lies below it. The
 * library must be able to write statistics on this stack. */
CASE(alternate_stack)
{
    size_t page = (size_t)getpagesize();
    alternate_size = HANDLER_ROOM + (size_t)sysconf(_SC_MINSIGSTKSZ);
    size_t mapped = (alternate_size + page - 1) / page * page;
    alternate = mmap(NULL, mapped + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(alternate != MAP_FAILED);
    alternate += page;
    CHECK_EQUAL(mprotect(alternate, mapped, PROT_READ | PROT_WRITE), 0);
    CHECK(check_hide(malloc(16384)) != NULL); /* a live block, so that the list of slots in use has one line to write */
    stack_t stack = {.ss_sp = alternate, .ss_size = alternate_size};
    CHECK_EQUAL(sigaltstack(&stack, NULL), 0);
    outside_send(STATS);
    set(check_stack, SA_ONSTACK);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
}

/* Reads from an empty pipe. The stats signal interrupts the read while this process sleeps in it. If `byte_comes`,
 * another process writes a byte when this process sleeps again, so that the read succeeds. */
static ssize_t read_interrupted(bool byte_comes)
{
    char byte;
    int ends[2];
    CHECK_EQUAL(pipe(ends), 0);
    pid_t child = outside_send_to_sleeper(STATS, byte_comes ? ends[1] : -1);
    ssize_t length = read(ends[0], &byte, 1);
    int error = errno;
    check_wait(child);
    errno = error;
    return length;
}

CASE(restarted_for_the_handler)
{
    set(count, SA_RESTART);
    CHECK_EQUAL(read_interrupted(true), 1);
    CHECK_EQUAL(calls, 1);
}

CASE(interrupted_for_the_handler)
{
    set(count, 0);
    CHECK_EQUAL(read_interrupted(false), (uint64_t)-1);
    CHECK_EQUAL(errno, EINTR);
    CHECK_EQUAL(calls, 1);
}

/* If a program has no handler for the stats signal, the signal makes no system call fail with EINTR, neither at first
 * nor after the program has set a handler and then SIG_DFL. */
CASE(restarted_without_handler)
{
    CHECK_EQUAL(read_interrupted(true), 1);
    set(count, 0);
    set(SIG_DFL, 0);
    CHECK_EQUAL(read_interrupted(true), 1);
    CHECK_EQUAL(calls, 0);
}

CASE(interrupted_after_siginterrupt)
{
    int (*interrupt)(int, int);
    *(void **)&interrupt = check_find("siginterrupt");
    signal(STATS, count);
    CHECK_EQUAL(read_interrupted(true), 1);
    CHECK_EQUAL(interrupt(STATS, 1), 0);
    CHECK_EQUAL(read_interrupted(false), (uint64_t)-1);
    CHECK_EQUAL(errno, EINTR);
    CHECK_EQUAL(calls, 2);
}

static void block(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, STATS);
    CHECK_EQUAL(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
}

CASE(blocked_until_sigsuspend)
{
    sigset_t none;
    sigemptyset(&none);
    set(count, 0);
    block();
    outside_send(STATS);
    outside_send(STATS);
    CHECK_EQUAL(calls, 0);
    CHECK_EQUAL(sigsuspend(&none), (uint64_t)-1);
    CHECK_EQUAL(errno, EINTR);
    CHECK_EQUAL(calls, 1); /* the kernel delivers several pending signals of the same number as one */
    CHECK(is_blocked(STATS));
}
