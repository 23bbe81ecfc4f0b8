/*
 * The caches of a fixed-size pool of the kind `cpu`: each processor has a magazine, which one thread at a time may use.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/fixed_percpu.h"

#include <sched.h>

#include "base/bounds.h"
#include "buffers/fixed_shared.h"

/* Marks the processor's magazine as busy. Returns false if it is busy already. Acquire: this thread sees what the last
 * user has written to the magazine. */
static bool percpu_enter(struct fixed_processor *processor)
{
    return atomic_exchange_explicit(&processor->busy, 1, memory_order_acquire) == 0;
}

/* Marks the processor's magazine as no longer busy. Release: the thread that uses the magazine next sees what this one
 * has written to it. */
static void percpu_leave(struct fixed_processor *processor)
{
    atomic_store_explicit(&processor->busy, 0, memory_order_release);
}

/* Returns the record of the processor on which the thread runs. The kernel may move the thread to another processor at
 * any time. The thread may use the record even then, because `busy` keeps other threads from using it. */
static struct fixed_processor *percpu_here(const struct fixed_pool *pool)
{
    int number = sched_getcpu();
    return &pool->processor[number < 0 ? 0 : (uint32_t)number % pool->processors];
}

/* Pops a block, marks it as live and returns it. Returns NULL if the magazine is empty. */
static void *magazine_pop(struct fixed_magazine *magazine)
{
    uint32_t count = atomic_load_explicit(&magazine->count, memory_order_relaxed);
    if (count == 0) {
        return NULL;
    }
    atomic_store_explicit(&magazine->count, count - 1, memory_order_relaxed);
    struct fixed_item *item = &magazine->item[count - 1];
    atomic_store_explicit(item->state, FIXED_LIVE, memory_order_relaxed);
    return item->block;
}

/* Pushes a block, or returns false if the magazine has `capacity` blocks. */
static bool magazine_push(struct fixed_magazine *magazine, struct fixed_item item, uint32_t capacity)
{
    uint32_t count = atomic_load_explicit(&magazine->count, memory_order_relaxed);
    if (count >= capacity) {
        return false;
    }
    magazine->item[count] = item;
    atomic_store_explicit(&magazine->count, count + 1, memory_order_relaxed);
    return true;
}

void *fixed_percpu_take(struct fixed_pool *pool)
{
    struct fixed_processor *here = percpu_here(pool);
    if (!percpu_enter(here)) {
        return fixed_shared_take_one(pool);
    }
    struct fixed_magazine *magazine = &here->magazine;
    if (atomic_load_explicit(&magazine->count, memory_order_relaxed) == 0) {
        fixed_shared_fill(pool, magazine, GREATER(pool->capacity / 2, 1));
    }
    void *block = magazine_pop(magazine);
    counter_add(&here->requests, block != NULL);
    percpu_leave(here);
    return block;
}

void fixed_percpu_put(struct fixed_pool *pool, struct fixed_item item)
{
    struct fixed_processor *here = percpu_here(pool);
    if (pool->capacity == 0 || !percpu_enter(here)) {
        fixed_shared_put_one(pool, item.block);
        return;
    }
    if (!magazine_push(&here->magazine, item, pool->capacity)) {
        fixed_shared_flush(pool, &here->magazine);
        magazine_push(&here->magazine, item, pool->capacity);
    }
    counter_add(&here->returned, 1);
    percpu_leave(here);
}

void fixed_percpu_drain(struct fixed_pool *pool)
{
    for (uint32_t number = 0; number < pool->processors; number++) {
        struct fixed_processor *processor = &pool->processor[number];
        if (percpu_enter(processor)) {
            fixed_shared_flush(pool, &processor->magazine);
            percpu_leave(processor);
        }
    }
}

void fixed_percpu_reset(struct fixed_pool *pool)
{
    for (uint32_t number = 0; number < pool->processors; number++) {
        atomic_store_explicit(&pool->processor[number].busy, 0, memory_order_relaxed);
        atomic_store_explicit(&pool->processor[number].magazine.count, 0, memory_order_relaxed);
    }
}
