/* Ends the process at the first fault that the stress test finds. Prints one line, which says what is wrong and how to
 * repeat the run. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_FAULT_H
#define STRESS_FAULT_H

/* Prints one line, and ends the process. Any thread and any process of the run may call this function. The format may
 * contain only what text_add of the library can format. */
void fault_die(const char *format, ...) __attribute__((noreturn, cold, format(printf, 1, 2)));

/* Ends the process with a fault unless this function is called again within `seconds`. The message has the text `doing`
 * of the last call. The child of a fork has no limit until it calls this function. */
void fault_watch(unsigned seconds, const char *doing);

#endif
