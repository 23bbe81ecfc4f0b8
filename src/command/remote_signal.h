/* Sends the signal of the statistics to another process, with a value that says what the library shall do. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SIGNAL_H
#define SOCKMALLOC_REMOTE_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "command/remote_process.h"
#include "config/live_request.h"
#include "config/option.h"

/* How many seconds a process has to carry out a demand. Its threads may be busy, or the machine. */
enum { REMOTE_SIGNAL_SECONDS = 5 };

/*
 * Sends the signal with a value, and stores the settings that the process had before. The number of the signal is read
 * from the memory of the process, because its SOCKMALLOC_SIGNAL may differ from the default. The process may have
 * forged the number, but option_set_makes_sense allows only signals that the setting takes. Returns EXIT_DONE, or
 * prints an error and returns its exit code.
 */
enum command_exit remote_signal_send(struct remote_process *target, uint64_t value, struct option_set *before);

/* Reads the settings of a process. Returns EXIT_DONE if it may carry out the change, as far as its settings say;
 * otherwise prints an error and returns its exit code. */
enum command_exit remote_signal_judge(struct remote_process *target, enum option option, struct option_set *settings);

/*
 * Changes a setting of a process, and stores the settings before and after. Returns EXIT_DONE when the process has
 * carried the change out. Otherwise prints an error and returns its exit code: the process was started without
 * SOCKMALLOC_CONTROL=1, has no signal, or has not answered in REMOTE_SIGNAL_SECONDS.
 */
enum command_exit remote_signal_change(struct remote_process *target, const struct live_request *request,
                                       struct option_set *before, struct option_set *after);

/* Waits until the process samples small requests. Returns EXIT_DONE, or prints an error and returns its exit code. */
enum command_exit remote_signal_await_sampling(struct remote_process *target);

#endif
