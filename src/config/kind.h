/* The kinds of pool that SOCKMALLOC_POOL chooses from: one row each. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_KIND_H
#define SOCKMALLOC_KIND_H

/* Name, word in the environment, help for the man page. */
#define KIND_ROWS(ROW)                                                                                                 \
    ROW(THREAD, "thread", "a cache per thread, with trained quotas")                                                   \
    ROW(LOCKFREE, "lockfree", "a stack of slots a bucket, and nothing else")                                           \
    ROW(STANDARD, "standard", "a mutex, a bounded free list, and a list of what is in use")                            \
    ROW(CPU, "cpu", "a cache per processor, by restartable sequences")                                                 \
    ROW(AUTO, "auto", "thread, until threads outnumber processors by far; then cpu")

enum kind {
#define KIND_NAME(name, word, help) KIND_##name,
    KIND_ROWS(KIND_NAME)
#undef KIND_NAME
        KIND_COUNT
};

#endif
