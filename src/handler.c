/* The stats signal: our handler in the kernel, the program's own beside it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "handler.h"

#include <sockmalloc.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "clock.h"
#include "dump.h"
#include "seal.h"
#include "sender.h"

/* glibc's own sigaction under its other name: the name that programs use is ours. */
extern int __sigaction(int signal_number, const struct sigaction *wanted, struct sigaction *former);

/*
 * What the program last asked for. A writer fills the next record and then publishes it, so that a
 * reader, or a handler that interrupts the writer, sees a whole one. A record is used again after
 * as many changes as there are records; a reader would have to sleep through all of them to see a
 * torn one.
 */
enum { RECORDS = 64 };
static struct sigaction records[RECORDS];
static _Atomic unsigned next_record = 1;
static _Atomic unsigned current_record;

static int stats_signal;

static void handler_record(const struct sigaction *action)
{
    unsigned record = atomic_fetch_add_explicit(&next_record, 1, memory_order_relaxed) % RECORDS;
    records[record] = *action;
    atomic_store_explicit(&current_record, record, memory_order_release);
}

static struct sigaction handler_recorded(void)
{
    return records[atomic_load_explicit(&current_record, memory_order_acquire)];
}

/* Signals that do nothing to a program that does not care for them. All others end it. */
static bool signal_is_harmless(int signal_number)
{
    return signal_number == SIGCHLD || signal_number == SIGURG || signal_number == SIGWINCH ||
           signal_number == SIGCONT || signal_number == SIGTSTP;
}

static pid_t born; /* the process that was started by exec, and ran the constructor */

/*
 * Who signals itself without a handler, by raise or kill, wishes for the default: death. So does a
 * parent that signals a child that it forked and that has set no handler yet: redis ends its
 * snapshot child in this way, and then waits for it.
 */
static bool handler_is_own_wish(int signal_number, const siginfo_t *info,
                                const struct sigaction *program)
{
    bool by_call = info->si_code == SI_USER || info->si_code == SI_TKILL;
    bool by_family = info->si_pid == getpid() || (getpid() != born && info->si_pid == getppid());
    return by_call && by_family && program->sa_handler == SIG_DFL &&
           !signal_is_harmless(signal_number);
}

/* Asked for statistics alone: what the signal means to the program was not meant. */
static bool handler_is_dump_only(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && info->si_value.sival_int == SOCKMALLOC_DUMP_ONLY;
}

/*
 * A server whose processes send each other the signal all the time, or its own threads, as
 * PostgreSQL does, would write tables all the time: of what such a server sends itself one in a
 * second is answered by a table, and stands for the others. Whoever else asks is answered at once.
 * Behind a seccomp filter, which may kill for the calls that a table takes, what the process sends
 * itself brings none, and nobody else's executable is looked at.
 */
static const uint64_t kin_pause = 1000000000; /* nanoseconds */
static _Atomic uint64_t kin_answered;

static bool handler_is_answered(const siginfo_t *info)
{
    if (handler_is_dump_only(info)) {
        return true;
    }
    if (seal_is_shut()) {
        return !sender_is_self(info);
    }
    if (!sender_is_kin(info)) {
        return true;
    }
    uint64_t now = clock_now();
    uint64_t last = atomic_load_explicit(&kin_answered, memory_order_relaxed);
    return now - last >= kin_pause &&
           atomic_compare_exchange_strong_explicit(&kin_answered, &last, now, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static void handler_dump(const siginfo_t *info)
{
    if (handler_is_answered(info)) {
        dump_somewhere();
    }
}

static void handler_chain(const struct sigaction *program, int signal_number, siginfo_t *info,
                          void *context)
{
    if (program->sa_handler == SIG_DFL || program->sa_handler == SIG_IGN) {
        return;
    }
    if (((unsigned)program->sa_flags & SA_RESETHAND) != 0) {
        handler_record(&(struct sigaction){.sa_handler = SIG_DFL});
    }
    if ((program->sa_flags & SA_SIGINFO) != 0) {
        program->sa_sigaction(signal_number, info, context);
    } else {
        program->sa_handler(signal_number);
    }
}

static void handler_run(int signal_number, siginfo_t *info, void *context)
{
    struct sigaction program = handler_recorded();
    if (handler_is_own_wish(signal_number, info, &program)) {
        int kept = errno;
        __sigaction(signal_number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        raise(signal_number); /* blocked while we run: it takes effect on return */
        errno = kept;
        return;
    }
    handler_dump(info);
    if (!handler_is_dump_only(info)) {
        handler_chain(&program, signal_number, info, context);
    }
}

bool handler_take(int signal_number, const siginfo_t *info)
{
    if (signal_number != stats_signal) {
        return false;
    }
    handler_dump(info);
    return handler_is_dump_only(info);
}

/*
 * Puts our handler, or SIG_IGN, into the kernel as the program's wish says. The mask and the flags
 * are the program's: the kernel then does for its handler what it would have done without us.
 * SA_RESETHAND is the exception, since it would remove ours.
 */
static int handler_install(int signal_number, const struct sigaction *wanted)
{
    struct sigaction ours = *wanted;
    if (wanted->sa_handler == SIG_IGN) {
        return __sigaction(signal_number, wanted, NULL);
    }
    if (wanted->sa_handler == SIG_DFL) {
        sigemptyset(&ours.sa_mask);
        ours.sa_flags = SA_RESTART | SA_ONSTACK;
    }
    ours.sa_flags = (ours.sa_flags | SA_SIGINFO) & ~(int)SA_RESETHAND;
    ours.sa_sigaction = handler_run;
    return __sigaction(signal_number, &ours, NULL);
}

void handler_after_fork(void)
{
    atomic_store_explicit(&kin_answered, 0, memory_order_relaxed);
}

void handler_open(int signal_number)
{
    struct sigaction present;
    born = getpid();
    if (signal_number == 0 || __sigaction(signal_number, NULL, &present) != 0) {
        return;
    }
    handler_record(&present);
    if (handler_install(signal_number, &present) == 0) {
        stats_signal = signal_number;
    }
}

int handler_set(int signal_number, const struct sigaction *wanted, struct sigaction *former)
{
    if (signal_number != stats_signal || stats_signal == 0) {
        return __sigaction(signal_number, wanted, former);
    }
    struct sigaction recorded = handler_recorded();
    if (wanted != NULL) {
        struct sigaction wish = *wanted; /* `former` may be the same object */
        /* Before the kernel is told: a signal in between runs what the program is just asking for.
         */
        handler_record(&wish);
        if (handler_install(signal_number, &wish) != 0) {
            handler_record(&recorded);
            return -1;
        }
    }
    if (former != NULL) {
        *former = recorded;
    }
    return 0;
}
