/* The words that some settings accept as their values: one row for each word. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_CHOICES_H
#define SOCKMALLOC_CHOICES_H

/*
 * The columns of all rows in this file are the name in C, the value in the environment, and the help for the man page.
 */

/* The kinds of pool, which are the values of the environment variable SOCKMALLOC_POOL. */
#define KIND_ROWS(ROW)                                                                                                 \
    ROW(THREAD, "thread", "each thread has a cache of free slots, with quotas that adapt to its use")                  \
    ROW(LOCKFREE, "lockfree", "each bucket has one lock-free stack of free slots, and there are no caches")            \
    ROW(STANDARD, "standard",                                                                                          \
        "each bucket has a mutex and a free list of bounded length; the slots in use can be listed")                   \
    ROW(CPU, "cpu", "each processor has a cache of free slots, which needs restartable sequences (rseq)")              \
    ROW(AUTO, "auto", "like thread, until there are SOCKMALLOC_AUTO_THREADS threads per processor; then like cpu")

enum kind {
#define KIND_NAME(name, word, help) KIND_##name,
    KIND_ROWS(KIND_NAME)
#undef KIND_NAME
        KIND_COUNT
};

/*
 * The values of the environment variable SOCKMALLOC_THP, which allows transparent huge pages in the pools. Huge pages
 * have three costs: a huge page takes 2 MiB even for a region that holds one buffer, it cannot form over a guard page,
 * and the kernel must split it when a slot in it is purged.
 */
#define HUGE_ROWS(ROW)                                                                                                 \
    ROW(NEVER, "never", "no huge pages in the pools, even where the kernel would use them unasked")                    \
    ROW(ALWAYS, "always", "huge pages in the pools wherever the kernel grants them")

enum huge {
#define HUGE_NAME(name, word, help) HUGE_##name,
    HUGE_ROWS(HUGE_NAME)
#undef HUGE_NAME
        HUGE_COUNT
};

/* The formats of statistics, which are the values of the environment variable SOCKMALLOC_FORMAT. */
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
