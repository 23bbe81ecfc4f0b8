/* Reads how much memory of a process is resident, and how much of that was never written to. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

/*
 * `process` is "self" or the digits of a process id, and all results are in MiB. No function here calls malloc, so that
 * a row can look at its own process without changing the result. If the kernel does not permit the reading, the program
 * ends, because only root, or a user who may trace the process, can read another process's memory.
 */

/* Returns the resident memory by a walk over the pages. The counter in statm can be wrong by some hundred pages,
 * because each processor keeps a part of it. */
double memory_resident(const char *process);

/*
 * Returns the private anonymous pages that are resident and contain only zeros, so that they were populated and never
 * written to. Pages to which only zeros were written are counted as well, because they look the same, so the figure is
 * never too low, with one exception: a page that the process shares with a forked child or parent is not counted. The
 * kernel's single zero page is not counted either.
 */
double memory_untouched(const char *process);

/* Returns memory_untouched in percent of memory_resident. */
double memory_untouched_percent(const char *process);

#endif
