/* Handles the signal that writes statistics (the stats signal): the kernel gets the library's handler, which also calls
 * the program's own handler. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "preload/handler.h"

#include <sockmalloc.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "os/os_process.h"
#include "os/sandbox.h"
#include "preload/adjust.h"
#include "preload/signal_origin.h"
#include "statistics/dump.h"

/*
 * glibc's own sigaction has this second name. The name `sigaction` means the library's function, which programs call.
 */
extern int __sigaction(int signal_number, const struct sigaction *wanted, struct sigaction *former);

/*
 * The actions that the program has set for the stats signal, which makes the library write statistics. For each record
 * there is one handler below, and the kernel gets the handler of the record that is in force. So the kernel's own table
 * of handlers says, for each process, which record is in force. A child of vfork shares its parent's memory, but the
 * kernel has a table of its own for it. An action that the child sets adds a record, and changes no record of the
 * parent. If the program sets an equal action a second time, the first record is used again. If all records are in use,
 * the oldest one is replaced.
 *
 * Start-up writes the first record, so the array is no LARGE_OBJECT. This file is linked last, so the array's end lies
 * between no small objects.
 */
enum { RECORDS = 64 };
static struct sigaction records[RECORDS];
/* whole[n] is true if records[n] is complete. The records take up several pages. Start-up reads all of this array, but
 * touches only one record; if the array were a part of the records, start-up would touch all their pages. */
static _Atomic bool whole[RECORDS];
static _Atomic unsigned next_record;

static int stats_signal;

/*
 * How many bytes of a signal mask the kernel uses. Only these are compared, because a program may leave the other bytes
 * of the mask uninitialized.
 */
enum { MASK_SIZE = (NSIG - 1) / 8 };

static bool wish_is(const struct sigaction *wish, const struct sigaction *other)
{
    return wish->sa_sigaction == other->sa_sigaction && wish->sa_flags == other->sa_flags &&
           memcmp(&wish->sa_mask, &other->sa_mask, MASK_SIZE) == 0;
}

static unsigned handler_add_record(const struct sigaction *wish)
{
    unsigned number = atomic_fetch_add_explicit(&next_record, 1, memory_order_relaxed) % RECORDS;
    atomic_store_explicit(&whole[number], false, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    records[number] = *wish;
    atomic_store_explicit(&whole[number], true, memory_order_release);
    return number;
}

/* Returns the number of the record that has the action `wish`. Adds a record if there is none. */
static unsigned handler_record(const struct sigaction *wish)
{
    for (unsigned number = 0; number < RECORDS; number++) {
        if (atomic_load_explicit(&whole[number], memory_order_acquire) && wish_is(&records[number], wish)) {
            return number;
        }
    }
    return handler_add_record(wish);
}

/* Returns true for signals whose default action does not end the process. */
static bool signal_is_harmless(int signal_number)
{
    return signal_number == SIGCHLD || signal_number == SIGURG || signal_number == SIGWINCH ||
           signal_number == SIGCONT || signal_number == SIGTSTP;
}

/* the id of the process that exec started, in which the library's constructor ran; forked children have other ids */
static pid_t born;

/*
 * The ids of this process and of its parent, as of start-up or the last fork. They are used where a seccomp filter may
 * forbid the system calls that return them.
 */
static pid_t own;
static pid_t parent;

static pid_t handler_parent(void)
{
    return sandbox_allows(SANDBOX_COMMON) ? os_parent() : parent;
}

/*
 * Returns true if the signal should have its default action, the end of the process. That is so if a process without a
 * handler sends the signal to itself by raise or kill. It is also so if a parent sends the signal to a child that it
 * forked and that has set no handler yet: redis ends its snapshot child in this way, and then waits for the child's
 * end.
 */
static bool handler_is_own_wish(int signal_number, const siginfo_t *info, const struct sigaction *program)
{
    bool by_call = info->si_code == SI_USER || info->si_code == SI_TKILL;
    pid_t self = sandbox_process();
    bool by_family = info->si_pid == self || (self != born && info->si_pid == handler_parent());
    return by_call && by_family && program->sa_handler == SIG_DFL && !signal_is_harmless(signal_number);
}

/* Returns true if the sender wanted only statistics or a change of a setting, so that the program's handler must not
 * run. */
static bool handler_is_for_library(const siginfo_t *info)
{
    return (info->si_code == SI_QUEUE && info->si_value.sival_int == SOCKMALLOC_DUMP_ONLY) || adjust_is_wanted(info);
}

/* At least this many nanoseconds lie between two dumps that signals of the server's own processes cause. */
static const uint64_t kin_pause = 1000000000;
static _Atomic uint64_t kin_answered;

/*
 * Returns true if the signal shall cause a dump. Some servers send the signal to their own processes or threads all the
 * time, as PostgreSQL does. Such a server would write tables all the time, so of its own signals at most one in each
 * second causes a dump. A signal of any other sender always causes one. There is no dump behind a seccomp filter that
 * the process has set, because the filter may kill the process for the system calls that a dump needs. `sockmalloc
 * stat` then reads the figures from outside.
 */
static bool handler_is_answered(const siginfo_t *info)
{
    if (!sandbox_allows(SANDBOX_COMMON)) {
        return false;
    }
    if (handler_is_for_library(info) || !signal_origin_is_kin(info)) {
        return true;
    }
    uint64_t now = clock_now();
    uint64_t last = atomic_load_explicit(&kin_answered, memory_order_relaxed);
    return now - last >= kin_pause && atomic_compare_exchange_strong_explicit(
                                          &kin_answered, &last, now, memory_order_relaxed, memory_order_relaxed);
}

/* Stores all signals except those by which a fault of the thread itself, or a call of abort, ends the process. */
static void handler_all_but_faults(sigset_t *signals)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
    sigfillset(signals);
    for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        sigdelset(signals, faults[i]);
    }
}

/*
 * Writes statistics, or changes a setting. The program does not know that this happens in one of its threads. If a
 * signal handler jumped out of this function (longjmp), or the thread were cancelled in it, a file would stay open or a
 * lock taken. So signals are blocked and cancellation is deferred until the function is done.
 */
static void handler_serve(const siginfo_t *info)
{
    sigset_t others;
    sigset_t mask;
    int type;
    if (!handler_is_answered(info)) {
        return;
    }
    handler_all_but_faults(&others);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    pthread_sigmask(SIG_BLOCK, &others, &mask);
    if (adjust_is_wanted(info)) {
        adjust_do(info);
    } else {
        dump_somewhere();
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_setcanceltype(type, NULL);
}

static int handler_install(int signal_number, const struct sigaction *wanted, struct sigaction *former);

static void handler_chain(const struct sigaction *program, int signal_number, siginfo_t *info, void *context)
{
    if (program->sa_handler == SIG_DFL) {
        return;
    }
    if (((unsigned)program->sa_flags & SA_RESETHAND) != 0) {
        int kept = errno;
        handler_install(signal_number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        errno = kept;
    }
    if ((program->sa_flags & SA_SIGINFO) != 0) {
        program->sa_sigaction(signal_number, info, context);
    } else {
        program->sa_handler(signal_number);
    }
}

/*
 * How often the library's handler has run in this thread for the stats signal (which makes it write statistics) while
 * the program had no handler for it.
 */
static _Thread_local volatile sig_atomic_t runs __attribute__((tls_model("initial-exec")));

unsigned handler_runs(void)
{
    return (unsigned)runs;
}

static bool handler_is_none(const struct sigaction *action)
{
    return action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN;
}

static void handler_run(unsigned record, int signal_number, siginfo_t *info, void *context)
{
    struct sigaction program = records[record];
    if (handler_is_own_wish(signal_number, info, &program)) {
        int kept = errno;
        __sigaction(signal_number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        /* the signal is blocked in this handler, so the raised signal is delivered when the handler returns */
        raise(signal_number);
        errno = kept;
        return;
    }
    runs += handler_is_none(&program) ? 1 : 0;
    handler_serve(info);
    if (!handler_is_for_library(info)) {
        handler_chain(&program, signal_number, info, context);
    }
}

bool handler_take(int signal_number, const siginfo_t *info)
{
    if (signal_number != stats_signal) {
        return false;
    }
    handler_serve(info);
    return handler_is_for_library(info);
}

/*
 * HANDLER_ROWS(ROW) expands to ROW(000) ... ROW(077): one row for each record, with the record's number in octal.
 * Each row becomes a handler.
 */
#define HANDLER_ROWS_8(ROW, high)                                                                                      \
    ROW(high##0)                                                                                                       \
    ROW(high##1) ROW(high##2) ROW(high##3) ROW(high##4) ROW(high##5) ROW(high##6) ROW(high##7)
#define HANDLER_ROWS(ROW)                                                                                              \
    HANDLER_ROWS_8(ROW, 00)                                                                                            \
    HANDLER_ROWS_8(ROW, 01)                                                                                            \
    HANDLER_ROWS_8(ROW, 02)                                                                                            \
    HANDLER_ROWS_8(ROW, 03)                                                                                            \
    HANDLER_ROWS_8(ROW, 04) HANDLER_ROWS_8(ROW, 05) HANDLER_ROWS_8(ROW, 06) HANDLER_ROWS_8(ROW, 07)

#define HANDLER_RUN(number)                                                                                            \
    static void handler_run_##number(int signal_number, siginfo_t *info, void *context)                                \
    {                                                                                                                  \
        handler_run(number, signal_number, info, context);                                                             \
    }
HANDLER_ROWS(HANDLER_RUN)
#undef HANDLER_RUN

#define HANDLER_NAME(number) handler_run_##number,
static void (*const handlers[])(int, siginfo_t *, void *) = {HANDLER_ROWS(HANDLER_NAME)};
#undef HANDLER_NAME
_Static_assert(sizeof handlers / sizeof handlers[0] == RECORDS, "each record has a handler");

/*
 * Stores in *wish the action that the program has set. `present` is the action that the kernel has: either one of the
 * library's handlers above, each of which stands for a record, or the program's own action.
 */
static void handler_translate(const struct sigaction *present, struct sigaction *wish)
{
    *wish = *present;
    for (unsigned number = 0; number < RECORDS; number++) {
        if (present->sa_sigaction == handlers[number]) {
            *wish = records[number];
        }
    }
}

/*
 * Installs the library's handler for the action `wanted`, which the program has set; for SIG_IGN, installs SIG_IGN.
 * Mask and flags are the program's, so that the kernel treats the program's handler as it would without the library.
 * Only SA_RESETHAND is left out, because it would remove the library's handler.
 */
static COLD int handler_install(int signal_number, const struct sigaction *wanted, struct sigaction *former)
{
    struct sigaction ours = *wanted;
    if (wanted->sa_handler == SIG_IGN) {
        return __sigaction(signal_number, wanted, former);
    }
    if (wanted->sa_handler == SIG_DFL) {
        sigemptyset(&ours.sa_mask);
        ours.sa_flags = SA_RESTART | SA_ONSTACK;
    }
    ours.sa_flags = (ours.sa_flags | SA_SIGINFO) & ~(int)SA_RESETHAND;
    ours.sa_sigaction = handlers[handler_record(wanted)];
    return __sigaction(signal_number, &ours, former);
}

/*
 * The id of the process to which this memory belongs. A child of vfork, or of a clone that shares memory, has another
 * id.
 */
static _Atomic pid_t process;

static _Atomic uint64_t interrupting; /* bit N - 1 is set if signal N is to interrupt system calls */

static uint64_t signal_bit(int signal_number)
{
    return UINT64_C(1) << (signal_number - 1);
}

bool handler_interrupts(int signal_number)
{
    return (atomic_load_explicit(&interrupting, memory_order_relaxed) & signal_bit(signal_number)) != 0;
}

void handler_set_interrupts(int signal_number, bool interrupts)
{
    pid_t owner = atomic_load_explicit(&process, memory_order_relaxed);
    if (owner != 0 && owner != sandbox_process()) {
        return;
    }
    if (interrupts) {
        atomic_fetch_or_explicit(&interrupting, signal_bit(signal_number), memory_order_relaxed);
    } else {
        atomic_fetch_and_explicit(&interrupting, ~signal_bit(signal_number), memory_order_relaxed);
    }
}

void handler_after_fork(void)
{
    atomic_store_explicit(&process, sandbox_process(), memory_order_relaxed);
    atomic_store_explicit(&kin_answered, 0, memory_order_relaxed);
    parent = own;
    own = sandbox_process();
}

COLD void handler_open(int signal_number)
{
    struct sigaction present;
    born = os_process();
    atomic_store_explicit(&process, born, memory_order_relaxed);
    own = born;
    if (signal_number == 0 || __sigaction(signal_number, NULL, &present) != 0) {
        return;
    }
    if (handler_install(signal_number, &present, NULL) == 0) {
        stats_signal = signal_number;
    }
}

/*
 * changes_of[n] counts how often the action of signal n was set, and `changes` how often the action of any signal was
 * set. Both are raised after the action was set, and `changes` last, so that a thread that sees the new `changes` also
 * sees the new count of the signal.
 */
static _Atomic uint32_t changes_of[NSIG];
static _Atomic uint32_t changes;

static int handler_exchange(int signal_number, const struct sigaction *wanted, struct sigaction *former)
{
    if (signal_number != stats_signal || stats_signal == 0) {
        return __sigaction(signal_number, wanted, former);
    }
    struct sigaction present;
    int wrong =
        wanted != NULL ? handler_install(signal_number, wanted, &present) : __sigaction(signal_number, NULL, &present);
    if (wrong == 0 && former != NULL) {
        handler_translate(&present, former);
    }
    return wrong;
}

int handler_set(int signal_number, const struct sigaction *wanted, struct sigaction *former)
{
    int wrong = handler_exchange(signal_number, wanted, former);
    if (wanted != NULL && wrong == 0) {
        atomic_fetch_add_explicit(&changes_of[signal_number], 1, memory_order_release);
        atomic_fetch_add_explicit(&changes, 1, memory_order_release);
    }
    return wrong;
}

/* What this thread found out about the actions of the signals when it last looked, and the counts of changes
 * (changes_of and `changes`) at that time. */
static _Thread_local struct {
    struct handler_effects effects;
    uint32_t of[NSIG];
    uint32_t all;
    bool whole;
} seen __attribute__((tls_model("initial-exec")));

/* Reads the action of one signal, as the program has set it, and stores whether its handler lets system calls be
 * restarted or interrupts them. */
static void handler_look(int signal_number)
{
    struct sigaction present;
    uint64_t bit = signal_bit(signal_number);
    seen.effects.restarting &= ~bit;
    seen.effects.interrupting &= ~bit;
    if (handler_exchange(signal_number, NULL, &present) != 0 || handler_is_none(&present)) {
        return;
    }
    if ((present.sa_flags & SA_RESTART) != 0) {
        seen.effects.restarting |= bit;
    } else {
        seen.effects.interrupting |= bit;
    }
}

/* Reads the actions that were set since the last call. The first call reads the actions of all signals, because the
 * program may have set some before the library was loaded. */
static void handler_look_again(void)
{
    uint32_t all = atomic_load_explicit(&changes, memory_order_acquire);
    for (int signal_number = 1; signal_number < NSIG; signal_number++) {
        uint32_t now = atomic_load_explicit(&changes_of[signal_number], memory_order_acquire);
        if (!seen.whole || seen.of[signal_number] != now) {
            handler_look(signal_number);
            seen.of[signal_number] = now;
        }
    }
    seen.all = all;
    seen.whole = true;
}

void handler_effects(struct handler_effects *effects)
{
    if (!seen.whole || seen.all != atomic_load_explicit(&changes, memory_order_acquire)) {
        int kept = errno;
        handler_look_again();
        errno = kept;
    }
    *effects = seen.effects;
}
