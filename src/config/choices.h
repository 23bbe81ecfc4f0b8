/* The words that settings choose from: one row each. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CHOICES_H
#define SOCKMALLOC_CHOICES_H

/* The columns of all rows here are name, word in the environment, and help for the man page. */

/* The kinds of pool: words of SOCKMALLOC_POOL. */
#define KIND_ROWS(ROW)                                                                                                 \
    ROW(THREAD, "thread", "a cache per thread, with trained quotas")                                                   \
    ROW(LOCKFREE, "lockfree", "one lock-free stack of free slots per bucket, without caches")                          \
    ROW(STANDARD, "standard", "a mutex, a bounded free list and a list of the slots in use")                           \
    ROW(CPU, "cpu", "a cache per processor, by restartable sequences")                                                 \
    ROW(AUTO, "auto", "as thread, until there are SOCKMALLOC_AUTO_THREADS threads per processor; from then on as cpu")

enum kind {
#define KIND_NAME(name, word, help) KIND_##name,
    KIND_ROWS(KIND_NAME)
#undef KIND_NAME
        KIND_COUNT
};

/*
 * Transparent huge pages in the pools: words of SOCKMALLOC_THP. A huge page costs 2 MiB even for a region that holds
 * one buffer, cannot form over a guard page, and has to be split when a slot in it is purged.
 */
#define HUGE_ROWS(ROW)                                                                                                 \
    ROW(NEVER, "never", "no huge pages in the pools, also where the system would use them by itself")                  \
    ROW(ALWAYS, "always", "huge pages in the pools wherever the kernel grants them")

enum huge {
#define HUGE_NAME(name, word, help) HUGE_##name,
    HUGE_ROWS(HUGE_NAME)
#undef HUGE_NAME
        HUGE_COUNT
};

/* The formats of statistics: words of SOCKMALLOC_FORMAT. */
#define FORMAT_ROWS(ROW)                                                                                               \
    ROW(TEXT, "text", "tables for a person to read")                                                                   \
    ROW(JSON, "json", "one line of JSON, in the layout of statistics.schema.json")                                     \
    ROW(PROMETHEUS, "prometheus", "the text exposition format of Prometheus, version 0.0.4")

enum format {
#define FORMAT_NAME(name, word, help) FORMAT_##name,
    FORMAT_ROWS(FORMAT_NAME)
#undef FORMAT_NAME
        FORMAT_COUNT
};

#endif
