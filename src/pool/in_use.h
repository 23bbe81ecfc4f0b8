/* Records when each slot was allocated and by which caller. The table of records exists only with SOCKMALLOC_IN_USE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_IN_USE_H
#define SOCKMALLOC_IN_USE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/colour.h"
#include "base/span.h"

/*
 * The table of records has one record for each page of the pools' range; a slot's record is that of its first page. A
 * record is written when the slot is allocated, and never erased: the slot's metadata says if the slot is live, and the
 * size of its request. So there is no linked list that a signal handler or a fork could find half changed. The two
 * words of a record are stored one after the other: a reader that runs while another thread allocates the slot may see
 * one word of the old record and one of the new. Any thread and any signal handler may write and read records without a
 * lock.
 *
 * realloc makes its caller the slot's caller, and keeps the time of allocation, even if the block moves to another
 * slot. So a buffer that grows again and again counts as old, and the caller that last resized it is listed. For a
 * block that realloc moves from mimalloc into a slot, the time of the move is recorded.
 *
 * The child of a fork keeps the records of its parent.
 */
struct in_use {
    uint64_t taken_at;  /* in nanoseconds, as in_use_now returns it; 0 if unknown */
    const void *caller; /* the return address of the call of malloc; NULL if unknown */
};

/* A record as it lies in the table of records. IN_USE_FIRST is the offset of the first record in the table. */
struct in_use_record {
    _Atomic uint64_t taken_at;
    _Atomic(const void *) caller;
};
enum { IN_USE_FIRST = COLOUR_REQUESTS };

/*
 * in_use_space returns how many bytes of addresses the table of records needs for a range of `size` bytes. in_use_lay
 * creates the table, and returns false if the kernel refuses its first page. in_use_unlay removes the table. All three
 * are called at start-up.
 */
size_t in_use_space(size_t size);
bool in_use_lay(size_t size);
void in_use_unlay(void);

/* Makes the table of records usable in the child of a fork, although another thread of the parent may have been growing
 * it. */
void in_use_after_fork(void);

/* in_use_is_kept returns true if the table of records exists. It reads the variable in_use_laid, which is written at
 * start-up only. */
extern INTERNAL bool in_use_laid;
static inline bool in_use_is_kept(void)
{
    return in_use_laid;
}

/* Returns the time of the coarse monotonic clock in nanoseconds. It advances in steps of some milliseconds. The kernel
 * lets that clock be read without a system call on every machine; other clocks may need one, which a seccomp filter of
 * the program may not allow. */
INTERNAL uint64_t in_use_now(void);

/*
 * in_use_note and in_use_note_at record the caller of an allocation: in_use_note with the present time, and
 * in_use_note_at with the time `taken_at`, which in_use_now has returned earlier. They record nothing and return false
 * if the kernel refuses memory for the record. They are called before the metadata is set to live, so that a reader
 * that finds a live slot does not find the caller of an earlier allocation.
 */
INTERNAL bool in_use_note(uint32_t number, const void *caller);
INTERNAL bool in_use_note_at(uint32_t number, const void *caller, uint64_t taken_at);

/* Returns the last record of a slot, or a record of zeros if the slot has none. */
INTERNAL struct in_use in_use_find(uint32_t number);

/* Returns the address and the size of the object that describes the table of records. A debugger reads that object. */
INTERNAL struct span in_use_span(void);

#endif
