/* The stats signal: our handler in the kernel, the program's own beside it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_HANDLER_H
#define SOCKMALLOC_HANDLER_H

#include <signal.h>
#include <stdbool.h>

#include "base/attributes.h"

/*
 * The kernel keeps our handler for the stats signal; what the program sets for that signal is
 * recorded, given back when it asks, and run after each dump, unless the signal was queued with
 * SOCKMALLOC_DUMP_ONLY. Of those that the program's own processes send one in a second brings a
 * dump. With one exception: SIG_IGN goes to the kernel, since exec hands it on;
 * then there is no dump. What a child sets is its own, a child of vfork among them, which has its
 * parent's memory. All of this runs in signal context too (haproxy sets its handler anew from
 * within it): no lock, no malloc, no look-up of symbols.
 */

/* At start: takes the signal over, unless it is ignored (then so it stays). 0: none. */
INTERNAL void handler_open(int signal_number);

/* In the child of a fork: what its parent answered does not count, and the memory is its own. */
INTERNAL void handler_after_fork(void);

/*
 * For a signal that came out of sigwait(3) and its like, where no handler runs: dumps if it is the
 * stats signal. True if it asked for statistics alone; then the program must not see it.
 */
INTERNAL bool handler_take(int signal_number, const siginfo_t *info);

/* sigaction(2), for any signal; on ours by the rules above. */
INTERNAL int handler_set(int signal_number, const struct sigaction *wanted, struct sigaction *former);

/*
 * What siginterrupt(3) has said of a valid signal: signal(3) heeds it, for later handlers. A child
 * that shares its parent's memory sets nothing; neither does one of _Fork or a raw clone, which
 * looks the same from within. For these siginterrupt changes the handler in force alone.
 */
INTERNAL bool handler_interrupts(int signal_number);
INTERNAL void handler_set_interrupts(int signal_number, bool interrupts);

#endif
