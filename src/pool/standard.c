/* The free lists of the kind `standard`: each bucket has a list of free slots, of limited length, with a mutex. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/standard.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "os/lock.h"
#include "os/os.h"

struct standard_list {
    _Alignas(CACHE_LINE) struct lock lock;
    /* signed, because the count can be -1 in the child of a fork: if a signal handler forked during an allocation,
     * standard_reset sets the count to 0, and the interrupted allocation then subtracts 1 */
    _Atomic int64_t count;
};

static LARGE_OBJECT struct standard_list lists[BUCKET_LIMIT];
static int64_t bound;

COLD void standard_open(uint32_t free_list)
{
    bound = free_list;
}

/* Counts a slot before it is pushed. If the list already has `limit` slots, counts nothing and returns false. */
static bool standard_admit(struct standard_list *list, int64_t limit)
{
    int64_t count = atomic_load_explicit(&list->count, memory_order_relaxed);
    do {
        if (count >= limit) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&list->count, &count, count + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* Lowers the list's count by one, because a slot was popped from the list. */
static void standard_dismiss(struct standard_list *list)
{
    atomic_fetch_sub_explicit(&list->count, 1, memory_order_relaxed);
}

void *standard_take(unsigned bucket, enum slots_source *source)
{
    struct standard_list *list = &lists[bucket];
    bool locked = lock_take(&list->lock);
    void *slot = slots_pop(bucket, source);
    if (*source == SLOTS_FROM_FREE) {
        standard_dismiss(list);
    }
    if (locked) {
        lock_release(&list->lock);
    }
    return slot;
}

static bool standard_put(unsigned bucket, uint32_t number, int64_t limit, unsigned generation)
{
    struct standard_list *list = &lists[bucket];
    bool locked = lock_take(&list->lock);
    bool admitted = standard_admit(list, limit);
    if (admitted) {
        slots_push_generation(bucket, number, generation);
    }
    if (locked) {
        lock_release(&list->lock);
    }
    return admitted;
}

/* Purges a free slot that is on no list. If the kernel refuses, changes nothing and returns false. */
static bool standard_purge(unsigned bucket, uint32_t number)
{
    if (!os_discard(region_slot(number), region.geometry[bucket].stride)) {
        return false;
    }
    region_set_meta(number, slot_meta_of(SLOT_PURGED, bucket));
    slots_push_purged(bucket, number);
    return true;
}

enum standard_verdict standard_give(unsigned bucket, uint32_t number)
{
    if (standard_put(bucket, number, bound, decay_young())) {
        return STANDARD_KEPT;
    }
    if (standard_purge(bucket, number)) {
        return STANDARD_PURGED;
    }
    standard_restore(bucket, number, decay_young());
    return STANDARD_KEPT;
}

uint32_t standard_withdraw(unsigned bucket, bool only_old)
{
    struct standard_list *list = &lists[bucket];
    bool locked = lock_take(&list->lock);
    uint32_t number = only_old ? slots_pop_generation(bucket, decay_old()) : slots_pop_free(bucket);
    if (number != STACK_EMPTY) {
        standard_dismiss(list);
    }
    if (locked) {
        lock_release(&list->lock);
    }
    return number;
}

void standard_restore(unsigned bucket, uint32_t number, unsigned generation)
{
    standard_put(bucket, number, INT64_MAX, generation);
}

uint32_t standard_count(unsigned bucket)
{
    int64_t count = atomic_load_explicit(&lists[bucket].count, memory_order_relaxed);
    return count > 0 ? (uint32_t)count : 0;
}

void standard_reset(unsigned bucket, uint32_t free_slots)
{
    lock_reset(&lists[bucket].lock);
    atomic_store_explicit(&lists[bucket].count, free_slots, memory_order_relaxed);
}
