/* Slack: data that a program keeps about a block in the block's own slot, in bytes at the end of the slot that the
 * request does not use (sockmalloc_slack_alloc). */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/slack.h"

#include <errno.h>
#include <sockmalloc.h>
#include <string.h>

#include "base/attributes.h"
#include "pool/pool.h"
#include "route/packed.h"

enum { SLACK_ALIGNMENT_MAX = 4096 };

static size_t slack_capacity(uint32_t number)
{
    return region.geometry[region_bucket(number)].capacity;
}

/* Returns the address of the first byte of the slack, the program's data at the end of a slot. If the slot has no
 * slack, returns the end of the slot. */
static char *slack_start(uint32_t number)
{
    return (char *)region_slot(number) + slack_capacity(number) - slack_of(number);
}

/* Returns the address behind the last byte that malloc_usable_size grants to the program. Slack, the program's data at
 * the end of a slot, must not begin below this address. */
static char *slack_floor(uint32_t number)
{
    return (char *)region_slot(number) + slot_usable(region_request(number));
}

/*
 * Sets how many bytes of slack (data of the program at the slot's end) the slot has. The size is written first and the
 * state byte second, because a signal handler may read both in between. So a slot whose state says that it has slack
 * always has a valid size.
 */
static void slack_set(uint32_t number, size_t size)
{
    region_set_request_word(number + 1, (uint32_t)size);
    atomic_signal_fence(memory_order_seq_cst);
    unsigned state = size > 0 ? SLOT_LIVE | SLOT_SLACK : SLOT_LIVE;
    region_set_meta(number, slot_meta_of(state, region_bucket(number)));
}

bool slack_leaves_room(uint32_t number, size_t request)
{
    size_t room = slack_capacity(number) - slack_of(number);
    return request <= room && slot_usable(request) <= room;
}

void slack_move(uint32_t number, uint32_t target)
{
    size_t size = slack_of(number);
    size_t room = slack_capacity(target) - slot_usable(region_request(target));
    if (size > 0 && size <= room && region.geometry[region_bucket(target)].pages > 1) {
        slack_set(target, size);
        memcpy(slack_start(target), slack_start(number), size);
    }
}

/* Returns true if the block has a slot of its own, and that slot can store the size of its slack. If the address lies
 * in the range of the pools and no live block begins there, ends the process as free does. */
static bool slack_is_possible(const char *call, const void *buffer)
{
    return region_owns(buffer) && packed_size(call, buffer) == 0 &&
           region.geometry[region_bucket(pool_number(call, buffer))].pages > 1;
}

EXPORTED size_t sockmalloc_slack_room(const void *buffer)
{
    if (!slack_is_possible("sockmalloc_slack_room", buffer)) {
        return 0;
    }
    uint32_t number = region_number(buffer);
    return (size_t)(slack_start(number) - slack_floor(number));
}

EXPORTED void *sockmalloc_slack_alloc(void *buffer, size_t size, size_t alignment)
{
    bool valid = size > 0 && alignment > 0 && alignment <= SLACK_ALIGNMENT_MAX && (alignment & (alignment - 1)) == 0;
    if (!valid) {
        errno = EINVAL;
        return NULL;
    }
    size_t room = slack_is_possible("sockmalloc_slack_alloc", buffer) ? sockmalloc_slack_room(buffer) : 0;
    uint32_t number = region_number(buffer);
    size_t gap = room >= size ? (uintptr_t)(slack_start(number) - size) % alignment : 0;
    if (room < size || room - size < gap) {
        errno = ENOSPC;
        return NULL;
    }
    slack_set(number, slack_of(number) + size + gap);
    return memset(slack_start(number), 0, size);
}

EXPORTED void *sockmalloc_slack(const void *buffer, size_t *size)
{
    uint32_t number = region_number(buffer);
    *size = slack_is_possible("sockmalloc_slack", buffer) ? slack_of(number) : 0;
    return *size > 0 ? slack_start(number) : NULL;
}

EXPORTED void sockmalloc_slack_free(void *buffer)
{
    if (slack_is_possible("sockmalloc_slack_free", buffer)) {
        slack_set(region_number(buffer), 0);
    }
}
