/* Reads how much memory of a process is resident, and how much of that was populated but never written to. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

/*
 * In the functions below, `process` is "self" or a process id in digits. Sizes are returned in MiB. None of the
 * functions calls malloc, so that a row can measure its own process without changing the result. If the kernel does not
 * permit the reading, the functions end the program: only root, or a user who may trace the process, can read another
 * process's memory.
 */

/* Returns the resident memory of the process in MiB, by a walk over its pages. The kernel's own counter, in
 * /proc/PID/statm, can be wrong by some hundred pages, because each processor keeps a part of the count. */
double memory_resident(const char *process);

/*
 * Returns how many MiB of private anonymous pages are resident and hold only zeros. These pages were populated, and
 * probably never written to. Pages to which only zeros were written look the same and count too, so the result may be
 * too high. It is too low only where the process shares such pages with a forked child or parent, because shared pages
 * do not count. The kernel's one zero page does not count either.
 */
double memory_untouched(const char *process);

/* Returns memory_untouched in percent of memory_resident: how much of the resident memory was probably never written
 * to. */
double memory_untouched_percent(const char *process);

#endif
