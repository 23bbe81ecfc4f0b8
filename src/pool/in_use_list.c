/* Makes a sorted list of all live slots, with the caller and the time of each allocation. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/in_use_list.h"

#include <stdbool.h>

#include "memory/region.h"
#include "os/os.h"
#include "pool/in_use.h"

/* The list has space for slots that are allocated after the live slots were counted: for MARGIN slots, and for an
 * eighth of the number of live slots. */
enum { MARGIN = 64, MARGIN_PART = 8 };

/* A function that returns true if slot `one` has to stand before slot `other` in the list. */
typedef bool in_use_order(const struct in_use_slot *one, const struct in_use_slot *other);

static bool is_older(const struct in_use_slot *one, const struct in_use_slot *other)
{
    if (one->taken_at != other->taken_at) {
        return one->taken_at < other->taken_at;
    }
    return one->bucket != other->bucket ? one->bucket < other->bucket : one->number < other->number;
}

static bool is_of_lower_caller(const struct in_use_slot *one, const struct in_use_slot *other)
{
    return one->caller != other->caller ? (uintptr_t)one->caller < (uintptr_t)other->caller : is_older(one, other);
}

static bool is_of_older_group(const struct in_use_slot *one, const struct in_use_slot *other)
{
    return one->group_taken_at != other->group_taken_at ? one->group_taken_at < other->group_taken_at
                                                        : is_of_lower_caller(one, other);
}

static void heap_swap(struct in_use_slot *one, struct in_use_slot *other)
{
    struct in_use_slot kept = *one;
    *one = *other;
    *other = kept;
}

/* Restores the order of the heap after the item at index `at` has changed. On top of the heap is the item that stands
 * last in the order `is_before`. */
static void heap_sink(struct in_use_slot *heap, size_t at, size_t count, in_use_order *is_before)
{
    for (;;) {
        size_t below = 2 * at + 1;
        if (below >= count) {
            return;
        }
        if (below + 1 < count && is_before(&heap[below], &heap[below + 1])) {
            below++;
        }
        if (!is_before(&heap[at], &heap[below])) {
            return;
        }
        heap_swap(&heap[at], &heap[below]);
        at = below;
    }
}

static void heap_make(struct in_use_slot *heap, size_t count, in_use_order *is_before)
{
    for (size_t at = count / 2; at-- > 0;) {
        heap_sink(heap, at, count, is_before);
    }
}

/* Sorts by heapsort, which works in place, needs no recursion, and is not slow for any initial order. */
static void heap_sort(struct in_use_slot *heap, size_t count, in_use_order *is_before)
{
    heap_make(heap, count, is_before);
    for (size_t last = count; last-- > 1;) {
        heap_swap(&heap[0], &heap[last]);
        heap_sink(heap, 0, last, is_before);
    }
}

/* Adds a slot to the list. If the list is full, it is a heap with the youngest slot on top; that slot is replaced if
 * the new one is older. */
static void list_add(struct in_use_list *list, const struct in_use_slot *slot)
{
    list->live++;
    list->bytes += slot->request;
    if (list->count < list->capacity) {
        list->slot[list->count++] = *slot;
        if (list->count == list->capacity) {
            heap_make(list->slot, list->count, is_older);
        }
    } else if (is_older(slot, &list->slot[0])) {
        list->slot[0] = *slot;
        heap_sink(list->slot, 0, list->count, is_older);
    }
}

static void list_add_all(struct in_use_list *list)
{
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        uint8_t meta = region_meta(number);
        if (slot_meta_state(meta) != SLOT_LIVE) {
            continue;
        }
        struct in_use noted = in_use_find(number);
        struct in_use_slot slot = {
            .caller = noted.caller,
            .taken_at = noted.taken_at != 0 ? noted.taken_at : IN_USE_UNKNOWN,
            .bucket = slot_meta_bucket(meta),
            .number = number,
            .request = (uint32_t)region_request(number),
        };
        list_add(list, &slot);
    }
}

static size_t list_wanted(void)
{
    uint32_t counts[BUCKET_LIMIT] = {0};
    size_t live = 0;
    region_count_live(counts);
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        live += counts[bucket];
    }
    return live + live / MARGIN_PART + MARGIN;
}

static size_t list_size(size_t capacity)
{
    return os_round_to_pages(capacity * sizeof(struct in_use_slot));
}

static void list_open(struct in_use_list *list)
{
    size_t wanted = list_wanted();
    list->slot = list->few;
    list->count = 0;
    list->capacity = IN_USE_FEW;
    list->live = 0;
    list->bytes = 0;
    if (wanted <= IN_USE_FEW) {
        return;
    }
    char *memory = os_map(list_size(wanted));
    if (memory == NULL) {
        return;
    }
    list->slot = (struct in_use_slot *)(void *)memory;
    list->capacity = wanted;
}

/* Sets group_taken_at of each slot: the time of the oldest slot with the same caller. The list must be sorted by
 * caller, and the slots of each caller by age, the oldest first. */
static void list_mark_groups(struct in_use_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct in_use_slot *slot = &list->slot[i];
        bool begins = i == 0 || slot[-1].caller != slot->caller;
        slot->group_taken_at = begins ? slot->taken_at : slot[-1].group_taken_at;
    }
}

void in_use_list_make(struct in_use_list *list)
{
    list_open(list);
    list_add_all(list);
    heap_sort(list->slot, list->count, is_of_lower_caller);
    list_mark_groups(list);
    heap_sort(list->slot, list->count, is_of_older_group);
}

void in_use_list_release(struct in_use_list *list)
{
    if (list->slot != list->few) {
        os_release((char *)list->slot, list_size(list->capacity));
    }
    list->slot = list->few;
    list->count = 0;
}
