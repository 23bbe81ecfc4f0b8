/* Ends the process at the first fault, with one line that says what is wrong and how to repeat the run. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_FAULT_H
#define STRESS_FAULT_H

/* Prints one line, and ends the process. Any thread and any process of the run may call this function. The format is
 * that of text_add. */
void fault_die(const char *format, ...) __attribute__((noreturn, cold, format(printf, 1, 2)));

/* Ends the process with a fault unless this function is called again within `seconds`. The message has the text `doing`
 * of the last call. A child of fork begins without a limit. */
void fault_watch(unsigned seconds, const char *doing);

#endif
