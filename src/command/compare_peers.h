/* Finds the libraries of the allocators that sockmalloc is compared with. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_PEERS_H
#define SOCKMALLOC_COMPARE_PEERS_H

#include <limits.h>
#include <stdbool.h>

#include "command/compare_fault.h"

enum { COMPARE_PEERS_MAX = 16, COMPARE_NAME_SIZE = 16 };

/* An allocator: its name, and the library that is preloaded to use it. */
struct compare_peer {
    char name[COMPARE_NAME_SIZE];
    char library[PATH_MAX];
};

struct compare_peers {
    int count;
    struct compare_peer peer[COMPARE_PEERS_MAX];
};

/*
 * Adds glibc's malloc. The library to preload is then the C library itself. A server that is linked with another malloc
 * would otherwise use that malloc. An example is Debian's redis, which is linked with jemalloc.
 */
bool compare_peers_add_glibc(struct compare_peers *peers, struct compare_fault *fault);

/*
 * Adds each of jemalloc, tcmalloc, mimalloc and tbbmalloc whose library is installed under Debian's file name. Searches
 * the directories that dlopen searches, and /usr/local/lib. Loads no library into this process.
 */
void compare_peers_add_installed(struct compare_peers *peers);

/* Adds an allocator. `text` is NAME=LIBRARY. Returns false, with the fault set, if the text or the library is bad. */
bool compare_peers_add(struct compare_peers *peers, const char *text, struct compare_fault *fault);

/*
 * Removes all allocators whose names are not in `list`, where commas separate the names. Returns false, with the fault
 * set, if the list has a name that no allocator has.
 */
bool compare_peers_keep(struct compare_peers *peers, const char *list, struct compare_fault *fault);

#endif
