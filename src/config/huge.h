/* What SOCKMALLOC_THP chooses from: one row each. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_HUGE_H
#define SOCKMALLOC_HUGE_H

/*
 * Name, word in the environment, help for the man page. A huge page is 2 MiB for a region that may
 * hold one buffer, cannot form over a guard page, and has to be split when a slot in it is purged.
 */
#define HUGE_ROWS(ROW)                                                                                                 \
    ROW(NEVER, "never", "none in the pools, whatever the system does by itself")                                       \
    ROW(ALWAYS, "always", "asked for, in the pools; the system may grant them")

enum huge {
#define HUGE_NAME(name, word, help) HUGE_##name,
    HUGE_ROWS(HUGE_NAME)
#undef HUGE_NAME
        HUGE_COUNT
};

#endif
