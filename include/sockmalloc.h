/*
 * Declares functions of sockmalloc that a program may call if it knows of the library. No program needs to call them.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_H
#define SOCKMALLOC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The value that a signal is sent with if the signal shall only make the library write statistics. The signal that
 * SOCKMALLOC_SIGNAL names, sent with this value, does not reach the program's own handler. sigqueue(3), `sockmalloc
 * stat --signal PID` and `/bin/kill -q 1355006224 -USR1 PID` send it.
 */
#define SOCKMALLOC_DUMP_ONLY 1355006224

/*
 * A program linked with -lsockmalloc can call these functions at any time. A program that also runs without the library
 * declares them weak, or looks them up by dlsym(3). Unless the comment of a function says otherwise, the function may
 * be called by any thread and in a signal handler, takes no lock, allocates nothing and keeps errno.
 */

/* Returns the version of the library, for example "0.1.0", as a static string. */
const char *sockmalloc_version(void);

/* Returns 1 if the pools serve requests, or 0 if they are turned off or there is no address space for them. */
int sockmalloc_active(void);

/*
 * Writes the settings in force, for example "SOCKMALLOC_MIN=4k SOCKMALLOC_MAX=32m ...", into `buffer` of `size` bytes.
 * `size` is at least 1. The text is cut off where it does not fit, and always ends with a NUL. Returns the number of
 * bytes written without the NUL.
 */
size_t sockmalloc_configuration(char *buffer, size_t size);

/*
 * Stores one figure of the statistics in *value. If `name` is a column, such as "live", the figure is the sum of all
 * buckets. If it is the label of a bucket, a point and a column, such as "16k.live", the figure is that of the bucket
 * alone. Returns 0. Returns -1 and leaves *value alone if the name is unknown, or if the figure cannot be known. For
 * example, resident bytes cannot be known in a process with a seccomp filter. Makes one system call for each 4 MiB of
 * slots.
 *
 * Columns (name, unit, meaning):
 *   live                slots     slots in use, counted from their metadata
 *   cached              slots     free slots in the caches of threads or of processors
 *   depot               slots     free slots in the depot or the lock-free stack
 *   purged              slots     free slots without pages: purged, or never used yet
 *   carved              slots     slots that exist, in use or free
 *   peak                slots     most slots in use at one time; may be too low, because slow paths alone count it
 *   requests            events    requests served
 *   asked               bytes     bytes that the served requests asked for
 *   resident            bytes     resident bytes of the bucket: of live, free and purged slots together
 *   resident_live       bytes     resident bytes of slots in use
 *   resident_free       bytes     resident bytes of free slots and of space not yet divided into slots
 *   resident_purged     bytes     resident bytes of purged slots, to which the program wrote after it had freed them
 *   cache_hits          events    requests served from the cache of the thread or the processor
 *   depot_hits          events    requests served from the depot or the lock-free stack
 *   swaps               events    times that a thread exchanged its two magazines, and the other one served
 *   fell_through        requests  requests of the bucket's sizes that mimalloc served
 *   fell_through_asked  bytes     bytes asked for in the requests that mimalloc served
 *   returned            slots     slots freed
 *   remote_frees        slots     slots freed by another thread than the one that allocated them; an estimate
 *   quota               slots     free slots that all caches together may hold
 *   misses              events    allocations and frees that neither of the thread's magazines could serve
 *   walks               events    public magazines of other threads that were looked at after a miss
 *   steals              events    public magazines of other threads that were taken
 *   promotions          events    times that a cache got its first quota of the bucket
 *   growths             events    quotas raised from the unused part of the budget
 *   transfers           events    quotas raised because another bucket's quota was lowered
 *   losses              events    quotas lowered so that another bucket's quota could be raised
 *   decays              events    quotas lowered because they were not used
 * End of columns.
 */
int sockmalloc_statistic(const char *name, uint64_t *value);

/* Returns 1 if the address lies in the address range of the pools, even if no live block starts there; otherwise 0. */
int sockmalloc_owns(const void *address);

/*
 * Returns the largest request, in bytes, that realloc would serve without moving the block at `address`, or 0 for an
 * address outside the pools. The block need not be live. A program may use only malloc_usable_size(3) bytes of it.
 */
size_t sockmalloc_capacity(const void *address);

/*
 * Purges pages of free slots, which returns them to the kernel, until about `limit` bytes of slots are purged. Returns
 * the number of bytes of the slots purged. Free slots in the caches of threads are not purged. Must not be called in a
 * signal handler, because it takes as long as the kernel takes to free the pages.
 */
size_t sockmalloc_trim(size_t limit);

/*
 * Writes the statistics to the file descriptor, in the format that SOCKMALLOC_FORMAT chooses. Returns 0, or -1 if not
 * all of it could be written or another thread was writing statistics at that moment.
 */
int sockmalloc_dump(int descriptor);

/*
 * Writes the statistics to the file descriptor in the given format: "text", "json" or "prometheus". Returns 0, or -1 if
 * the format has another name, not all of it could be written, or another thread was writing statistics at that moment.
 */
int sockmalloc_dump_as(int descriptor, const char *format);

/*
 * Slack: bookkeeping inside a buffer
 * ----------------------------------
 *
 * A slot of the pools is longer than most requests: malloc(1500 + 4096) has a slot of 8 KiB. A datagram server can keep
 * the records of a datagram's delivery in what its buffer leaves unused, in place of a second allocation. The pieces
 * are carved from the end of the slot downwards and are given back with the buffer: free(buffer) frees both.
 * malloc_usable_size(buffer) does not change.
 *
 * realloc never grows over slack. If realloc moves the buffer, the slack moves along, and each byte of it keeps its
 * distance from sockmalloc_slack's result; so find it there again. If realloc finds no slot with room for both, the
 * buffer moves alone, and sockmalloc_slack returns NULL from then on.
 *
 * Slack belongs to the thread that the buffer belongs to at the time. All of these functions may be called in signal
 * handlers and take no lock. An address in the range of the pools at which no live buffer begins ends the process with
 * a line of text, as free does. Only libsockmalloc.so has this group. Source: the text on pooling in 6.4 of
 * doc/design/pools.md.
 */

/* Returns how many bytes of slack the buffer could still have: 0 for a block that is no slot of the pools. */
size_t sockmalloc_slack_room(const void *buffer);

/*
 * Carves `size` bytes of slack, all zero, at a multiple of `alignment`, a power of two up to 4096. Returns NULL with
 * errno ENOSPC if the slot has no room for them or the buffer is no slot of the pools, and with EINVAL for a size of 0
 * or a wrong alignment.
 */
void *sockmalloc_slack_alloc(void *buffer, size_t size, size_t alignment);

/*
 * Returns the start of all slack of the buffer, which is the piece that was carved last, and stores in *size how many
 * bytes there are from there to the end of the slot. Returns NULL, and stores 0, if the buffer has no slack.
 */
void *sockmalloc_slack(const void *buffer, size_t *size);

/* Gives back all slack of the buffer, so that realloc may use the room again. The buffer itself stays. */
void sockmalloc_slack_free(void *buffer);

#ifdef __cplusplus
}
#endif

#endif
