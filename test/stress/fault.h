/* The first thing that is wrong ends the process, with one line that says what and how to try it again. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_FAULT_H
#define STRESS_FAULT_H

/* Any thread, any process of the run. The format is text_add's. */
void fault_die(const char *format, ...) __attribute__((noreturn, cold, format(printf, 1, 2)));

/* From now on this process may take so many seconds; then it is hung, which is a fault. What it was doing is what
 * fault_watch was last told. A child of fork begins without a limit. */
void fault_watch(unsigned seconds, const char *doing);

#endif
