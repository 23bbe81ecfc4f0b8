/* Slack: data that a program keeps about a block in the block's own slot, in bytes at the end of the slot that the
 * request does not use (sockmalloc_slack_alloc). */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SLACK_H
#define SOCKMALLOC_SLACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/region.h"

/*
 * Slack is carved from the end of a live slot downwards, so that realloc keeps as much room as possible for the block
 * itself:
 *
 *     slot                                                                      slot + capacity
 *     | what the program requested, rounded to 16 |  room  | last piece | ... | first piece |
 *                                                          |<------------ slack ------------>|
 *
 * SLOT_SLACK in the slot's state byte says that a live slot has slack. The metadata has one request word for each page
 * of a slot. The word of the first page is the requested size. The word of the second page, which has no other use, is
 * the number of bytes of slack. A slot of one page has no second word, and so no slack. A free costs nothing more
 * because of slack: it leaves SLOT_SLACK set in a state byte that says free, and the next allocation of the slot writes
 * the whole byte. Like the block itself, slack belongs to one thread at a time. The idea is from one of the texts that
 * doc/design/pools.md describes: a datagram's buffer keeps the records of its own delivery.
 */

/* Returns how many bytes of slack (data of the program at the slot's end) a live slot has, or 0. */
static inline size_t slack_of(uint32_t number)
{
    return slot_meta_has_slack(region_meta(number)) ? slot_meta_request(region_request_word(number + 1)) : 0;
}

/*
 * Returns true if a request of `request` bytes fits into the slot beside the slack that the slot has (the program's
 * data at the slot's end).
 */
bool slack_leaves_room(uint32_t number, size_t request);

/*
 * Copies the slack (the program's data at a slot's end) of one live slot to the end of another one, `target`, so that
 * each byte has the same distance from the end of its slot. Does nothing if the target has only one page, or no space
 * for the slack beside its request; the slack is then lost with its slot.
 */
void slack_move(uint32_t number, uint32_t target);

#endif
