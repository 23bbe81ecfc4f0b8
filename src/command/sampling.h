/* Has the small requests of running processes sampled for a while, to learn the share of the pools in all requests. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SAMPLING_H
#define SOCKMALLOC_SAMPLING_H

#include "command/process_group.h"
#include "command/traffic.h"

/* Without a time, --sample takes SAMPLING_SECONDS. */
enum { SAMPLING_SECONDS = 10, SAMPLING_MOST = 300 };

/* Reads the time of --sample, or takes the default if `argument` is NULL. Returns NULL, or a text that says what is
 * wrong. */
const char *sampling_read(const char *argument, double *seconds);

/*
 * Turns sampling on in each process of the group by the signal of the statistics, waits, turns it off again, and stores
 * the requests of this time. Afterwards the snapshots of the group are those of the end. Processes that start meanwhile
 * are left out. Sampling is turned off on any way out: when a process cannot be sampled, and when a signal ends this
 * command, which then ends by that signal. If the command is killed, each process ends its sampling by itself a few
 * seconds later. Returns EXIT_DONE, or prints an error and returns its exit code.
 */
enum command_exit sampling_run(struct process_group *group, double seconds, struct traffic *traffic);

#endif
