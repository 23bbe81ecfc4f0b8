/* sockmalloc: the interface for programs that know it is there. None needs it; all of it may be
 * absent. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_H
#define SOCKMALLOC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The value that makes the stats signal a request for statistics and nothing else: sent with it by
 * sigqueue(3), `sockmalloc stat --signal PID` or `/bin/kill -q 1355006224 -USR1 PID`, the signal
 * never reaches the program's own handler.
 */
#define SOCKMALLOC_DUMP_ONLY 1355006224

/*
 * A program that is linked with -lsockmalloc can call these at any time. One that may or may not be
 * preloaded declares them weak, or asks dlsym for them. Unless a line says otherwise, every call
 * may be made by any thread and in a signal handler, takes no lock, allocates nothing and keeps
 * errno.
 */

/* The version, as "0.1.0". Static. */
const char *sockmalloc_version(void);

/* 1 if the pools serve requests; 0 if they are turned off, or no addresses were to be had for
 * them. */
int sockmalloc_active(void);

/*
 * Writes the configuration in force, "SOCKMALLOC_MIN=4k SOCKMALLOC_MAX=4m ...", into `buffer` of
 * `size` bytes (1 at least), cut off where it does not fit and always ended by NUL. Returns the
 * bytes written without the NUL.
 */
size_t sockmalloc_configuration(char *buffer, size_t size);

/*
 * One figure of the statistics. `name` is a column of the table ("live", "cached", "depot",
 * "purged", "carved", "peak", "requests", "asked", "resident", "cache_hits", "depot_hits", "swaps",
 * "fell_through", "fell_through_asked") for the sum of all buckets, or one bucket's, as in
 * "16k.live". Units: slots, requests, or for asked, resident and fell_through_asked bytes. Returns
 * 0 and stores the figure, or -1 for a name that is none, and for a resident one behind a seccomp
 * filter, where it cannot be known; then *value is left alone. Costs a system call per 4 MiB of
 * slots.
 */
int sockmalloc_statistic(const char *name, uint64_t *value);

/* 1 if the address lies in the pools' range, whether a live block starts there or not; else 0. */
int sockmalloc_owns(const void *address);

/*
 * The largest request, in bytes, that realloc would serve without moving the block at `address`;
 * 0 for an address outside the pools. The block need not be live. Only malloc_usable_size bytes may
 * be used.
 */
size_t sockmalloc_capacity(const void *address);

/*
 * Gives pages of free slots back to the kernel, about `limit` bytes at most. Returns the bytes of
 * slots that were purged. Slots in threads' caches are left alone. Not for signal handlers: takes
 * as long as the kernel does.
 */
size_t sockmalloc_trim(size_t limit);

/*
 * Writes the statistics to a descriptor, in the format that the stats signal has. Returns 0, or -1
 * if the descriptor took less than all or another thread was just writing statistics.
 */
int sockmalloc_dump(int descriptor);

/*
 * The same in a format of the caller's choice: "text", "json" or "prometheus", whatever
 * SOCKMALLOC_FORMAT says. -1 for any other word, too.
 */
int sockmalloc_dump_as(int descriptor, const char *format);

#ifdef __cplusplus
}
#endif

#endif
