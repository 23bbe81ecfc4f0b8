/* Purges free slots: gives their pages back to the kernel. pool_drain moves free slots from caches to the depots and
 * stacks, where they can be purged. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_PURGE_H
#define SOCKMALLOC_POOL_PURGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Returns about how many bytes one step of purging gives back at most. The limit keeps each call of malloc or free
 * short. A step purges a single slot as a whole if it is smaller than one and a half times this limit. A larger slot is
 * purged in pieces of about the size of the limit.
 */
size_t pool_quantum(void);

/*
 * Purges about `limit` bytes, in whole slots, of the free slots in the depots and on the stacks: the kernel gets their
 * pages back, and the slots stay usable. Begins with large buckets, because one call of the kernel frees more there.
 * Returns how many bytes the purged slots have. Any thread may call this function, which takes no lock.
 */
size_t pool_trim(size_t limit);

/*
 * Purges slots of the old generation only, which have been free for at least half of SOCKMALLOC_DECAY_MS: up to
 * pool_quantum bytes, or fewer where the slots lie so scattered that the kernel's calls would take long. Of a slot that
 * is purged in pieces (pool_pieces), purges one piece; the next step, in any thread, continues with the next piece.
 * Returns true if old slots may be left.
 */
bool pool_trim_step(void);

/* Returns true if a step of purging has left a slot that is purged only in part. */
bool pool_has_unfinished(void);

/* Resets the record of the slot that a step of purging has left unfinished. This function runs in the child of a fork,
 * which finds the free slots by their metadata. */
void pool_forget_unfinished(void);

/*
 * Purges free slots that stay in the caller's magazine. Begins with the first of the `count` slots, and stops when it
 * has used up what one step of purging may cost. Returns for how many slots it has called the kernel; at least one
 * unless `count` is 0. If the kernel refuses, a slot keeps its pages. The caller must see to it that no other thread
 * can get the slots meanwhile. If the slots of the bucket are purged in pieces, the caller has to use
 * pool_discard_piece instead. The metadata of the slots does not say that they are purged, so no function relies on
 * their bytes being zero.
 */
size_t pool_purge_in_place(unsigned bucket, void *const *slot, size_t count);

/* Returns in how many pieces a step purges a slot of the bucket; 1 if it purges the slot as a whole. */
size_t pool_pieces(unsigned bucket);

/* Gives the pages of piece number `piece` of a slot, counted from 0, back to the kernel. Returns how many bytes that
 * were; 0 if the kernel refuses. The caller must see to it that no other thread can get the slot meanwhile. */
size_t pool_discard_piece(unsigned bucket, void *slot, size_t piece);

/*
 * Moves the free slots of the calling thread's cache, and those in public magazines of other threads, to the depots and
 * stacks, where pool_trim finds them. The quotas of the caches stay, unless another thread gets the caller's part of
 * the budget meanwhile. Private magazines of other threads and magazines of processors cannot be emptied. Does nothing
 * in a thread without a cache of its own. Price: O(threads x buckets).
 */
void pool_drain(void);

/* Returns the bytes of all free slots with pages that lie in depots and on stacks: as much as pool_trim can give back.
 * Price: O(threads x buckets). */
uint64_t pool_retained(void);

/*
 * Purges free slots if SOCKMALLOC_RETAIN or SOCKMALLOC_LARGE_RETAIN is exceeded. One call purges at most the bytes of a
 * magazine of the largest slots that have magazines, or pool_quantum bytes if that is more, and rounds this up to whole
 * slots. That is at least as much as one malloc or free can add to the free memory that has a limit. This function is
 * called after a slow path.
 */
void pool_enforce_limits(void);

/* Purges `bytes` bytes, but at least as many as pool_quantum returns, when memory is nearly used up and `bytes` bytes
 * are about to be allocated. The caches are drained only if the depots and stacks hold too little. */
void pool_reclaim(size_t bytes);

#endif
