/* The stats signal: our handler in the kernel, the program's own beside it. */
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

#include "base/clock.h"
#include "os/os.h"
#include "os/sandbox.h"
#include "preload/signal_origin.h"
#include "statistics/dump.h"

/* glibc's own sigaction under its other name: the name that programs use is ours. */
extern int __sigaction(int signal_number, const struct sigaction *wanted, struct sigaction *former);

/*
 * What the program asks for, a wish a record. Each record has a handler of ours, and the kernel
 * keeps the handler of the record that is in force, so that it is the kernel that knows which one
 * that is, for each process by itself. A child of vfork has its parent's memory and handlers of its
 * own: what it sets adds a record at most, and changes none that its parent goes by. A wish that
 * comes again finds its record again. Where a program has had more wishes than there are records,
 * the oldest record is used anew.
 */
enum { RECORDS = 64 };
static struct record {
    struct sigaction wish;
    _Atomic bool whole;
} records[RECORDS];
static _Atomic unsigned next_record;

static int stats_signal;

/* The kernel knows no more of a mask than these bytes, and the caller may have set no others. */
enum { MASK_SIZE = (NSIG - 1) / 8 };

static bool wish_is(const struct sigaction *wish, const struct sigaction *other)
{
    return wish->sa_sigaction == other->sa_sigaction && wish->sa_flags == other->sa_flags &&
           memcmp(&wish->sa_mask, &other->sa_mask, MASK_SIZE) == 0;
}

static unsigned handler_add_record(const struct sigaction *wish)
{
    unsigned number = atomic_fetch_add_explicit(&next_record, 1, memory_order_relaxed) % RECORDS;
    atomic_store_explicit(&records[number].whole, false, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    records[number].wish = *wish;
    atomic_store_explicit(&records[number].whole, true, memory_order_release);
    return number;
}

/* Returns the number of the record that has the wish. */
static unsigned handler_record(const struct sigaction *wish)
{
    for (unsigned number = 0; number < RECORDS; number++) {
        if (atomic_load_explicit(&records[number].whole, memory_order_acquire) &&
            wish_is(&records[number].wish, wish)) {
            return number;
        }
    }
    return handler_add_record(wish);
}

/* Signals that do nothing to a program that does not care for them. All others end it. */
static bool signal_is_harmless(int signal_number)
{
    return signal_number == SIGCHLD || signal_number == SIGURG || signal_number == SIGWINCH ||
           signal_number == SIGCONT || signal_number == SIGTSTP;
}

static pid_t born; /* the process that was started by exec, and ran the constructor */

/* This process and its parent, as of start or the last fork, for where nobody may be asked. */
static pid_t own;
static pid_t parent;

static pid_t handler_parent(void)
{
    return sandbox_allows(SANDBOX_COMMON) ? os_parent() : parent;
}

/*
 * Who signals itself without a handler, by raise or kill, wishes for the default: death. So does a
 * parent that signals a child that it forked and that has set no handler yet: redis ends its
 * snapshot child in this way, and then waits for it.
 */
static bool handler_is_own_wish(int signal_number, const siginfo_t *info, const struct sigaction *program)
{
    bool by_call = info->si_code == SI_USER || info->si_code == SI_TKILL;
    pid_t self = sandbox_process();
    bool by_family = info->si_pid == self || (self != born && info->si_pid == handler_parent());
    return by_call && by_family && program->sa_handler == SIG_DFL && !signal_is_harmless(signal_number);
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
 * Behind a seccomp filter of the process's own, which may kill for the calls that a table takes,
 * nobody is answered: `sockmalloc stat` reads the figures from outside.
 */
static const uint64_t kin_pause = 1000000000; /* nanoseconds */
static _Atomic uint64_t kin_answered;

static bool handler_is_answered(const siginfo_t *info)
{
    if (!sandbox_allows(SANDBOX_COMMON)) {
        return false;
    }
    if (handler_is_dump_only(info) || !signal_origin_is_kin(info)) {
        return true;
    }
    uint64_t now = clock_now();
    uint64_t last = atomic_load_explicit(&kin_answered, memory_order_relaxed);
    return now - last >= kin_pause && atomic_compare_exchange_strong_explicit(
                                          &kin_answered, &last, now, memory_order_relaxed, memory_order_relaxed);
}

/* Signals that a fault of the thread itself brings, or abort, and that mean its end. */
static void handler_all_but_faults(sigset_t *signals)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
    sigfillset(signals);
    for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        sigdelset(signals, faults[i]);
    }
}

/*
 * The program does not know that statistics are written. A handler of its own that jumped away from
 * there, or a cancel of a thread that may be cancelled anywhere, would leave a file open and
 * statistics forbidden for good: both are put off until they are written.
 */
static void handler_dump(const siginfo_t *info)
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
    dump_somewhere();
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

static void handler_run(unsigned record, int signal_number, siginfo_t *info, void *context)
{
    struct sigaction program = records[record].wish;
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

/* A handler of its own for each record, whose number is octal: HANDLER_ROWS(ROW) is ROW(000) to
 * ROW(077). */
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

/* What the program set, where the kernel has `present`: one of ours, or the program's own. */
static void handler_translate(const struct sigaction *present, struct sigaction *wish)
{
    *wish = *present;
    for (unsigned number = 0; number < RECORDS; number++) {
        if (present->sa_sigaction == handlers[number]) {
            *wish = records[number].wish;
        }
    }
}

/*
 * Puts our handler, or SIG_IGN, into the kernel as the program's wish says. The mask and the flags
 * are the program's: the kernel then does for its handler what it would have done without us.
 * SA_RESETHAND is the exception, since it would remove ours.
 */
static int handler_install(int signal_number, const struct sigaction *wanted, struct sigaction *former)
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

/* The process whose memory this is. The child of vfork or of a clone that shares it is another. */
static _Atomic pid_t process;

static _Atomic uint64_t interrupting; /* a bit for each signal */

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

void handler_open(int signal_number)
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

int handler_set(int signal_number, const struct sigaction *wanted, struct sigaction *former)
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
