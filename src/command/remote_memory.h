/* Reads how much memory of another process is resident, and how much of the resident memory is mimalloc's. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_MEMORY_H
#define SOCKMALLOC_REMOTE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct remote_memory {
    uint64_t resident; /* bytes: the sum of all lines "Rss:" in /proc/PID/smaps */
    /*
     * Resident bytes of mimalloc: small requests, and other requests that the pools did not serve. They lie in mappings
     * that mimalloc has named, and in anonymous mappings between 2 TiB and 30 TiB. mimalloc places its arenas in that
     * range, and the kernel maps nothing there by itself. If the address space is too small for that range, only named
     * mappings are counted, because mimalloc's other mappings then look like those of the program.
     */
    uint64_t small;
};

/*
 * Reads the resident memory of a process from /proc/PID/smaps. Returns false if the process has ended or may not be
 * read. Price: the kernel walks the page tables of the process.
 */
bool remote_memory_read(int process, struct remote_memory *memory);

#endif
