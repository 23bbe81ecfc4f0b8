/*
 * Reserves slack, bytes at the end of a block's slot for data of the program (sockmalloc_slack_alloc), and checks that
 * these bytes stay unchanged.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "slack.h"

#include <sockmalloc.h>
#include <string.h>

#include "fault.h"

#pragma weak sockmalloc_slack
#pragma weak sockmalloc_slack_alloc
#pragma weak sockmalloc_slack_room

enum { PATTERN = 0xa5 };

/*
 * Returns how many bytes of slack the block has. Ends the process with a fault unless each of these bytes is `value`.
 */
static size_t slack_read(const struct block *block, unsigned char value)
{
    size_t size;
    const unsigned char *slack = sockmalloc_slack(block->address, &size);
    for (size_t i = 0; i < size; i++) {
        if (slack[i] != value) {
            fault_die("byte %zu of %zu of the slack is 0x%02x and not 0x%02x, in a block of %zu from %s at %p", i, size,
                      slack[i], value, block->request, block->maker, (void *)block->address);
        }
    }
    return size;
}

void slack_draw(struct block *block, struct draw *draw)
{
    size_t room = sockmalloc_slack_alloc != NULL && block->slack == 0 ? sockmalloc_slack_room(block->address) : 0;
    if (room == 0) {
        return;
    }
    size_t size = draw_below(draw, room) + 1;
    void *slack = sockmalloc_slack_alloc(block->address, size, 1);
    if (slack == NULL || slack_read(block, 0) != size) {
        fault_die("no slack of %zu bytes in a block of %zu, with room for %zu", size, block->request, room);
    }
    memset(slack, PATTERN, size);
    block->slack = size;
}

void slack_check(const struct block *block)
{
    if (block->slack > 0 && slack_read(block, PATTERN) != block->slack) {
        fault_die("the slack of a block of %zu from %s has another size", block->request, block->maker);
    }
}

void slack_follow(const struct block *old, struct block *block)
{
    if (old->slack == 0) {
        return;
    }
    block->slack = slack_read(block, PATTERN);
    bool may_end = block->address != old->address && block->slack == 0;
    if (block->slack != old->slack && !may_end) {
        fault_die("%zu bytes of slack became %zu, with a block of %zu at %p that became one of %zu at %p", old->slack,
                  block->slack, old->request, (void *)old->address, block->request, (void *)block->address);
    }
}
