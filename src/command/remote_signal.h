/* Sends another process the statistics signal (SOCKMALLOC_SIGNAL), with a value that tells the library in that process
 * what to do. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_SIGNAL_H
#define SOCKMALLOC_REMOTE_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "command/remote_process.h"
#include "config/live_request.h"
#include "config/option.h"

/* The seconds that a process has to do what the signal tells it. The process or the machine may be busy. */
enum { REMOTE_SIGNAL_SECONDS = 5 };

/*
 * Sends the signal with a value, and stores in `before` the settings that the process had. Reads the number of the
 * signal from the memory of the process, because its SOCKMALLOC_SIGNAL may differ from the default. A forged number
 * does no harm, because option_set_makes_sense allows only signals that are valid for the setting. Returns EXIT_DONE,
 * or prints an error and returns its exit code.
 */
enum command_exit remote_signal_send(struct remote_process *target, uint64_t value, struct option_set *before);

/*
 * Reads the settings of a process. Returns EXIT_DONE if these settings allow a change of `option` while the process
 * runs. Otherwise prints an error and returns its exit code.
 */
enum command_exit remote_signal_judge(struct remote_process *target, enum option option, struct option_set *settings);

/*
 * Changes a setting of a process, and stores all settings before and after the change. Returns EXIT_DONE when the
 * process has made the change. Otherwise prints an error and returns its exit code, for example because the process was
 * started without SOCKMALLOC_CONTROL=1, has no statistics signal (SOCKMALLOC_SIGNAL=off), or has not made the change
 * within REMOTE_SIGNAL_SECONDS.
 */
enum command_exit remote_signal_change(struct remote_process *target, const struct live_request *request,
                                       struct option_set *before, struct option_set *after);

/* Waits until the process has switched on the sampling of small requests. Returns EXIT_DONE, or prints an error and
 * returns its exit code. */
enum command_exit remote_signal_await_sampling(struct remote_process *target);

#endif
