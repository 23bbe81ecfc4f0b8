/* The stats signal: our handler in the kernel, the program's own beside it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_HANDLER_H
#define SOCKMALLOC_HANDLER_H

#include <signal.h>
#include <stdbool.h>

#include "attributes.h"

/*
 * The kernel keeps our handler for the stats signal; what the program sets for that signal is
 * recorded, given back when it asks, and run after each dump, unless the signal was queued with
 * SOCKMALLOC_DUMP_ONLY. Of those that the program's own processes send one in a second brings a
 * dump. With one exception: SIG_IGN goes to the kernel, since exec hands it on;
 * then there is no dump. All of this runs in signal context too (haproxy sets its handler anew from
 * within it): no lock, no malloc, no look-up of symbols.
 */

/* At birth: takes the signal over, unless it is ignored (then so it stays). 0: none. */
INTERNAL void handler_open(int signal_number);

/* In the child of a fork: what its parent answered does not count. */
INTERNAL void handler_after_fork(void);

/*
 * For a signal that came out of sigwait(3) and its like, where no handler runs: dumps if it is the
 * stats signal. True if it asked for statistics alone; then the program must not see it.
 */
INTERNAL bool handler_take(int signal_number, const siginfo_t *info);

/* sigaction(2), for any signal; on ours by the rules above. */
INTERNAL int handler_set(int signal_number, const struct sigaction *wanted,
                         struct sigaction *former);

#endif
