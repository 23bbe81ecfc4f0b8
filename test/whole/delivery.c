/* These cases test that the library writes statistics at the stats signal (SIGUSR1 by default), and that it calls the
 * program's own handler of this signal as the flags of that handler say. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <sockmalloc.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"
#include "outside.h"
#include "signals.h"

enum { MARK = 1234 };

CASE(without_handler)
{
    for (int i = 0; i < 3; i++) {
        outside_send(STATS);
    }
    CHECK(asked(STATS) == SIG_DFL);
}

static volatile pid_t sender;
static volatile sig_atomic_t code;

static void note_sender(int signal_number, siginfo_t *info, void *context)
{
    count(signal_number);
    sender = info->si_pid;
    code = info->si_code;
    CHECK(signal_number == STATS && context != NULL);
}

CASE(siginfo_handler)
{
    struct sigaction action = {.sa_sigaction = note_sender, .sa_flags = SA_SIGINFO};
    CHECK_EQUAL(sigaction(STATS, &action, NULL), 0);
    pid_t wanted = outside_send(STATS);
    CHECK_EQUAL(calls, 1);
    CHECK_EQUAL(sender, wanted);
    CHECK_EQUAL(code, SI_USER);
}

CASE(handler_by_signal_stays)
{
    signal(STATS, count);
    for (int i = 1; i <= 3; i++) {
        outside_send(STATS);
        CHECK_EQUAL(calls, i);
    }
    CHECK(asked(STATS) == count);
}

CASE(handler_by_sysv_signal_goes)
{
    set_call *sysv;
    *(void **)&sysv = check_find("sysv_signal");
    sysv(STATS, count);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
    CHECK(asked(STATS) == SIG_DFL);
    /* without the library, this signal would kill the process; the library writes statistics instead */
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
}

CASE(handler_by_sigset_stays)
{
    set_call *sigset_call;
    *(void **)&sigset_call = check_find("sigset");
    sigset_call(STATS, count);
    outside_send(STATS);
    outside_send(STATS);
    CHECK_EQUAL(calls, 2);
}

static void reset_before_the_handler(int signal_number)
{
    count(signal_number);
    /* the kernel resets a handler with SA_RESETHAND before the handler runs, so the library must do this too */
    CHECK(asked(STATS) == SIG_DFL);
}

CASE(reset_hand)
{
    set(reset_before_the_handler, (int)SA_RESETHAND);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
    CHECK(asked(STATS) == SIG_DFL);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
}

CASE(ignored)
{
    set(SIG_IGN, 0);
    outside_send(STATS);
    CHECK(asked(STATS) == SIG_IGN);
    CHECK_EQUAL(raise(STATS), 0);
    set(count, 0);
    outside_send(STATS); /* of all signals that this case sends, only this one makes the library write statistics */
    CHECK_EQUAL(calls, 1);
}

CASE(default_set_again)
{
    set(count, 0);
    set(SIG_DFL, 0);
    outside_send(STATS);
    CHECK_EQUAL(calls, 0);
}

static void set_again_inside(int signal_number)
{
    count(signal_number);
    signal(STATS, set_again_inside);
}

CASE(handler_sets_itself_again)
{
    signal(STATS, set_again_inside);
    for (int i = 1; i <= 3; i++) {
        outside_send(STATS);
        CHECK_EQUAL(calls, i);
    }
}

static sigjmp_buf before;

static void jump(int signal_number)
{
    count(signal_number);
    siglongjmp(before, 1);
}

/* After a handler has ended by longjmp, no lock of the library is locked. */
CASE(jumping_handler)
{
    set(jump, 0);
    for (volatile int i = 1; i <= 2; i++) {
        if (sigsetjmp(before, 1) == 0) {
            outside_send(STATS);
        }
        CHECK_EQUAL(calls, i);
    }
}

CASE(errno_survives)
{
    set(count, 0);
    errno = MARK;
    CHECK_EQUAL(raise(STATS), 0);
    CHECK_EQUAL(errno, MARK);
    CHECK_EQUAL(calls, 1);
}

/* the value that came with the stats signal, which was sent by sigqueue; the program's handler stores the value here */
static volatile sig_atomic_t carried;

static void note_value(int signal_number, siginfo_t *info, void *context)
{
    note_sender(signal_number, info, context);
    carried = info->si_value.sival_int;
}

/* The program has no handler for the stats signal. This case sends the signal by sigqueue with the value 1, which has
 * no meaning for the library. The library must write statistics, as it does for a signal without a value. */
CASE(queued_without_handler)
{
    CHECK_EQUAL(sigqueue(getpid(), STATS, (union sigval){.sival_int = 1}), 0);
}

/* The program's handler gets the value that sigqueue has sent. */
CASE(queued_with_a_value)
{
    struct sigaction action = {.sa_sigaction = note_value, .sa_flags = SA_SIGINFO};
    CHECK_EQUAL(sigaction(STATS, &action, NULL), 0);
    CHECK_EQUAL(sigqueue(getpid(), STATS, (union sigval){.sival_int = 4711}), 0);
    CHECK_EQUAL(calls, 1);
    CHECK_EQUAL(code, SI_QUEUE);
    CHECK_EQUAL(carried, 4711);
}

/* A stats signal with the value SOCKMALLOC_DUMP_ONLY makes the library write statistics. The program's handler is not
 * called then, and a handler with SA_RESETHAND stays set. */
CASE(dump_only_is_not_for_the_program)
{
    const union sigval dump_only = {.sival_int = SOCKMALLOC_DUMP_ONLY};
    CHECK_EQUAL(sigqueue(getpid(), STATS, dump_only), 0);
    set(count, (int)SA_RESETHAND);
    errno = MARK;
    CHECK_EQUAL(sigqueue(getpid(), STATS, dump_only), 0);
    CHECK_EQUAL(errno, MARK);
    CHECK_EQUAL(calls, 0);
    CHECK(asked(STATS) == count);
    outside_send(STATS);
    CHECK_EQUAL(calls, 1);
    set(SIG_IGN, 0);
    /* the disposition is SIG_IGN, so the kernel drops even this signal, whose value requests only statistics */
    CHECK_EQUAL(sigqueue(getpid(), STATS, dump_only), 0);
    CHECK(asked(STATS) == SIG_IGN);
}
