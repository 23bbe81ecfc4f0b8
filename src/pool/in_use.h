/* When each slot was taken and by whom: a table beside the metadata, laid only where it is asked for.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_IN_USE_H
#define SOCKMALLOC_IN_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * The contract. A record a page of the range, of which that of a slot's first page is the slot's,
 * written when the slot is taken and never erased: that a slot is in use, and for how many bytes,
 * is what its metadata says. So there is no list that a signal or a fork could catch half-linked. The
 * two words of a record are written one after the other: who reads beside a thread that is just
 * taking the slot may see one of each life. Any thread, signal handlers too; no lock.
 *
 * A block that realloc resized is its resizer's, and as old as before. Whether it stayed in its
 * slot or moved, which the program cannot know, makes no difference: a buffer that grows forever is
 * an old one, and whoever lets it grow is who to ask. The age of a block that came from mimalloc
 * begins when it came.
 *
 * The child of a fork keeps its parent's notes.
 */
struct in_use {
    uint64_t taken_at;  /* nanoseconds, as in_use_now says; 0 where it is unknown */
    const void *caller; /* where the call returns to; NULL where it is unknown */
};

/* Addresses for the table beside a range of `size` bytes; laying it, which is false where its first
 * page can't be had; and undoing that. At start. */
size_t in_use_space(size_t size);
bool in_use_lay(size_t size);
void in_use_unlay(void);

/* In the child of a fork of several threads, of which one may have made the table grow. */
void in_use_after_fork(void);

/* Whether it was laid: only then is there anything to note. Written at start, never again. */
extern INTERNAL bool in_use_laid;
static inline bool in_use_is_kept(void)
{
    return in_use_laid;
}

/*
 * The time, monotonic, in steps of some milliseconds: by the coarse clock, which the kernel lets be
 * read in memory whatever the machine's time is kept by. The others' may be a system call, of which
 * a sandboxed program knows nothing.
 */
INTERNAL uint64_t in_use_now(void);

/*
 * Notes that a slot was taken: now, or at a time of in_use_now's. False, with nothing noted, if
 * the kernel refuses memory for the record. To be called before the metadata says live, so that who
 * finds the metadata live finds no former life's caller.
 */
INTERNAL bool in_use_note(uint32_t number, const void *caller);
INTERNAL bool in_use_note_at(uint32_t number, const void *caller, uint64_t taken_at);

/* What was noted last; all unknown if nothing ever was. */
INTERNAL struct in_use in_use_find(uint32_t number);

#endif
