/* Finds the libraries of the allocators that sockmalloc is compared with. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_PEERS_H
#define SOCKMALLOC_COMPARE_PEERS_H

#include <limits.h>
#include <stdbool.h>

#include "command/compare_fault.h"

enum { COMPARE_PEERS_MAX = 16, COMPARE_NAME_SIZE = 16 };

/* An allocator: its name, and the library to preload. */
struct compare_peer {
    char name[COMPARE_NAME_SIZE];
    char library[PATH_MAX];
};

struct compare_peers {
    int count;
    struct compare_peer peer[COMPARE_PEERS_MAX];
};

/*
 * Adds glibc's malloc. Its library to preload is the C library itself, because a server that is linked with another
 * malloc, as Debian's redis is with jemalloc, would use that malloc otherwise.
 */
bool compare_peers_add_glibc(struct compare_peers *peers, struct compare_fault *fault);

/*
 * Adds each of jemalloc, tcmalloc, mimalloc and tbbmalloc that is installed under the file name that Debian uses. The
 * directories are those that dlopen searches, and /usr/local/lib. No library is loaded into this process.
 */
void compare_peers_add_installed(struct compare_peers *peers);

/* Adds an allocator. `text` is NAME=LIBRARY. Returns false, with the fault set, if the text or the library is bad. */
bool compare_peers_add(struct compare_peers *peers, const char *text, struct compare_fault *fault);

/*
 * Removes all allocators whose names are not in the list, which has commas between its words. Returns false, with the
 * fault set, if a word is not the name of an allocator.
 */
bool compare_peers_keep(struct compare_peers *peers, const char *list, struct compare_fault *fault);

#endif
