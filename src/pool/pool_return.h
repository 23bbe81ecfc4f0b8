/* Unmaps the addresses of free slots, because some limits on memory also count mapped addresses. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_POOL_RETURN_H
#define SOCKMALLOC_POOL_RETURN_H

#include <stddef.h>

/*
 * Purges all free slots that pool_trim can find after pool_drain, and unmaps each run of adjacent purged slots that is
 * long enough for a hole. This function is called when there was no slot or the kernel has refused memory. Unless the
 * range of the pools itself is full, the first call also makes the library save address space (pool_make_tight). If the
 * range is full and the last call has unmapped nothing, only every 256th call does anything. Returns the bytes that
 * were unmapped, which is 0 while another thread is unmapping slots. Any thread may call this function, which takes no
 * lock.
 */
size_t pool_return(void);

/* Unmaps the runs of adjacent slots that are already purged. While memory is tight, this function is called after slots
 * that were free for long have been purged. A limit may count mapped addresses; once they are unmapped, the program
 * itself can map as many bytes. Returns how many bytes were unmapped. */
size_t pool_return_purged(void);

/*
 * Clears the mark of a thread that was in pool_return. This function runs in the child of a fork, which does not have
 * that thread.
 */
void pool_reset_return(void);

#endif
