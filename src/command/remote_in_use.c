/*
 * Reads which callers have allocated the slots that are in use in another process. The process keeps records of the
 * callers if it runs with SOCKMALLOC_IN_USE=1.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_in_use.h"

#include <string.h>

#include "base/text.h"
#include "command/caller_name.h"
#include "command/remote_snapshot.h"
#include "pool/in_use.h"
#include "pool/in_use_list.h"

static struct in_use_list list;

/* Adds a slot to the figures of the caller that has allocated the slot. */
static void add_slot(struct remote_in_use_caller *caller, const struct in_use_slot *slot)
{
    caller->slots++;
    caller->bytes += slot->request;
}

static void add_caller(struct remote_in_use_caller *caller, const struct in_use_slot *oldest, uint64_t now)
{
    struct text name = text_begin(caller->name, sizeof caller->name);
    if (oldest->caller != NULL) {
        caller_name_add((uintptr_t)oldest->caller, &name);
    } else {
        text_add(&name, "an unknown caller");
    }
    bool is_known = oldest->taken_at != IN_USE_UNKNOWN;
    caller->age = !is_known ? IN_USE_UNKNOWN : now > oldest->taken_at ? now - oldest->taken_at : 0;
}

/* Sums up the list of slots by caller. The slots of one caller follow each other in the list, the oldest slot first. */
static void sum_up(struct remote_in_use *found)
{
    uint64_t now = in_use_now();
    found->slots = list.live;
    found->bytes = list.bytes;
    for (size_t i = 0; i < list.count; i++) {
        const struct in_use_slot *slot = &list.slot[i];
        if (i == 0 || slot[-1].caller != slot->caller) {
            found->callers++;
            if (found->listed < REMOTE_IN_USE_CALLERS) {
                add_caller(&found->caller[found->listed++], slot, now);
            }
        }
        if (found->callers == found->listed) {
            add_slot(&found->caller[found->listed - 1], slot);
        }
    }
}

enum remote_process_state remote_in_use_read(struct remote_process *target, struct remote_in_use *found)
{
    memset(found, 0, sizeof *found);
    enum remote_process_state state = remote_snapshot_list(target, &list);
    found->is_kept = state == REMOTE_READ && in_use_is_kept();
    if (found->is_kept) {
        caller_name_open(target->process);
        sum_up(found);
        caller_name_close();
        in_use_list_release(&list);
    }
    return state;
}
