/* Reads how much memory of another process is resident, and how much of that is mimalloc's. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_MEMORY_H
#define SOCKMALLOC_REMOTE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct remote_memory {
    uint64_t resident; /* bytes: the sum of all lines "Rss:" in /proc/PID/smaps */
    /*
     * Bytes of these that are mimalloc's: of small requests, and of others that the pools did not serve. They are the
     * anonymous mappings from 2 TiB to 30 TiB, where mimalloc places its arenas and where the kernel by itself maps
     * nothing, and mappings that mimalloc has named. Where the address space is smaller, they cannot be told apart and
     * the figure is 0.
     */
    uint64_t small;
};

/* Reads the memory of a process. Returns false if the process has ended or may not be read. Price: the kernel walks the
 * page tables of the process. */
bool remote_memory_read(int process, struct remote_memory *memory);

#endif
