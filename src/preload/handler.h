/* Handles the signal that writes statistics (the stats signal): the kernel gets the library's handler, which also calls
 * the program's own handler. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_HANDLER_H
#define SOCKMALLOC_HANDLER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * For the stats signal the kernel has the library's handler. The library records the action that the program sets for
 * this signal, and returns it when the program reads it. The program's handler runs after each dump of statistics,
 * unless the signal was queued with SOCKMALLOC_DUMP_ONLY. If the program's own processes send the signal, at most one
 * dump in a second is written. If the program sets SIG_IGN, the kernel gets SIG_IGN too, because an ignored signal
 * stays ignored over exec; then there is no dump. An action that a child process sets is its own, even in a child of
 * vfork, which shares its parent's memory. Everything here may run in a signal handler (haproxy sets its handler again
 * from within it), so it takes no lock, allocates nothing and looks up no symbol.
 */

/*
 * Makes `signal_number` the stats signal, at which the library writes statistics. A signal that is ignored stays
 * ignored, and the number 0 means that there is no stats signal. It is called at start-up only.
 */
INTERNAL void handler_open(int signal_number);

/*
 * Must be called in the child of a fork. From then on the limit of one dump in a second counts only the child's own
 * dumps. The library also notes that this memory belongs to the child and no longer to the parent.
 */
INTERNAL void handler_after_fork(void);

/*
 * Handles a signal that sigwait(3) or a similar call has returned and for which no handler has run. If it is the stats
 * signal, writes statistics, or changes a setting as adjust_do does. Returns true if the sender wanted nothing but
 * statistics or a change of a setting; the program must then not see the signal.
 */
INTERNAL bool handler_take(int signal_number, const siginfo_t *info);

/* Does what sigaction(2) does, for any signal. For the stats signal (which makes the library write statistics), the
 * action of the program is recorded, and the library's handler stays in the kernel. */
INTERNAL int handler_set(int signal_number, const struct sigaction *wanted, struct sigaction *former);

/* What the handlers of the program do to a system call that waits, for each signal that the program handles. Bit N - 1
 * stands for signal N. */
struct handler_effects {
    uint64_t restarting;   /* signals whose handlers let the call be restarted (SA_RESTART) */
    uint64_t interrupting; /* signals whose handlers make the call fail with EINTR */
};

/*
 * Stores what the handlers of the process do to a waiting system call at the moment. An action that the program has set
 * by a system call instruction of its own may not be noticed. The caller must have blocked all signals. Price: two
 * loads, and a system call for each signal whose action was set since the thread's last call.
 */
INTERNAL void handler_effects(struct handler_effects *effects);

/*
 * Returns how often the library's handler of the stats signal, which writes statistics, has run in the calling thread
 * while the program had no handler for that signal. Such a run ends ppoll, but would not have ended a call that is
 * restarted.
 */
INTERNAL unsigned handler_runs(void);

/*
 * handler_set_interrupts records what siginterrupt(3) set for a valid signal, and handler_interrupts returns it to
 * signal(3), which uses it for later handlers. Nothing is recorded in a child that shares its parent's memory, as after
 * vfork. Nothing is recorded in a child of _Fork or of a raw clone either, because the library cannot tell whether that
 * child shares memory. In these children, siginterrupt changes only the handler in force.
 */
INTERNAL bool handler_interrupts(int signal_number);
INTERNAL void handler_set_interrupts(int signal_number, bool interrupts);

#endif
