/*
 * Turns on the sampling of small requests in running processes for a while, to learn which share of all requests the
 * pools serve.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SAMPLING_H
#define SOCKMALLOC_SAMPLING_H

#include "command/process_group.h"
#include "command/traffic.h"

/* The seconds for which --sample samples: SAMPLING_SECONDS if the user gives no time, and at most SAMPLING_MOST. */
enum { SAMPLING_SECONDS = 10, SAMPLING_MOST = 300 };

/*
 * Stores the seconds of --sample, or the default if `argument` is NULL. Returns NULL, or a text that says what is
 * wrong.
 */
const char *sampling_read(const char *argument, double *seconds);

/*
 * Turns sampling on in each process of the group by the statistics signal, waits for the given seconds, and turns
 * sampling off again. A process with SOCKMALLOC_SAMPLE_SMALL=1 samples anyway and gets no signal. Stores the requests
 * of these seconds in *traffic. Afterwards the group has the snapshots that were taken at the end of these seconds.
 * Processes that start meanwhile are left out. Sampling is also turned off if a process cannot be sampled, or if a
 * signal ends this command. If SIGKILL ends the command, each process ends its sampling by itself a few seconds later.
 * Returns EXIT_DONE, or prints an error and returns its exit code.
 */
enum command_exit sampling_run(struct process_group *group, double seconds, struct traffic *traffic);

#endif
