/* Looks at the memory of a process: what is resident, and what of that nobody ever wrote to. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

/* `process` is "self" or the digits of a process id. All in MiB. Nothing here calls malloc, so a row can look at itself
 * without changing what it sees. What the kernel does not show ends the program: another process's memory is for root,
 * or for whoever may trace it. */

/* RSS, by a walk over the pages: the counter in statm can be some hundred pages off, since each
 * processor keeps a part of it. */
double memory_resident(const char *process);

/* Private anonymous pages that are resident and hold nothing but zeros: populated and never written. A page to which
 * only zeros were ever written looks the same, so the figure is never too low, but for one case: a page shared with a
 * forked child or parent is not the process's own alone, and is not counted. Nor is the kernel's one zero page, which
 * is nobody's memory. */
double memory_untouched(const char *process);

/* The latter in percent of the former. */
double memory_untouched_percent(const char *process);

#endif
