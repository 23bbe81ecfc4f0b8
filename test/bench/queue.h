/* A bounded queue of pointers from one thread to another, for rows in which one thread frees what another allocated. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_QUEUE_H
#define BENCH_QUEUE_H

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>

enum { QUEUE = 256, QUEUE_PATIENCE = 200 };

/* Each thread writes to a cache line of its own. It also keeps a copy of the other thread's position, so that it seldom
 * reads the other's cache line and the queue costs little beside the allocator. */
struct queue {
    alignas(64) atomic_uint produced;
    unsigned consumed_seen;
    alignas(64) atomic_uint consumed;
    unsigned produced_seen;
    alignas(64) void *place[QUEUE];
};

/* Waits until the value of `counter` is no longer `old`, and returns the new value. If the machine has only one free
 * processor, the other thread can run only after sched_yield. */
static inline unsigned queue_await(atomic_uint *counter, unsigned old)
{
    for (unsigned turn = 0;; turn++) {
        unsigned now = atomic_load_explicit(counter, memory_order_acquire);
        if (now != old)
            return now;
        if (turn >= QUEUE_PATIENCE)
            sched_yield();
    }
}

/*
 * Puts the pointer number `index`, counted from 0, into the queue. The other thread sees it when the last of a batch
 * has been put. `batch` is a power of two, at most QUEUE / 2. Batches keep the queue's own cost below the allocator's.
 */
static inline void queue_put(struct queue *queue, unsigned index, void *pointer, unsigned batch)
{
    if (index - queue->consumed_seen == QUEUE)
        queue->consumed_seen = queue_await(&queue->consumed, queue->consumed_seen);
    queue->place[index % QUEUE] = pointer;
    if ((index + 1) % batch == 0)
        atomic_store_explicit(&queue->produced, index + 1, memory_order_release);
}

/* Returns the pointer number `index`, counted from 0. */
static inline void *queue_take(struct queue *queue, unsigned index, unsigned batch)
{
    if (index == queue->produced_seen)
        queue->produced_seen = queue_await(&queue->produced, queue->produced_seen);
    void *pointer = queue->place[index % QUEUE];
    if ((index + 1) % batch == 0)
        atomic_store_explicit(&queue->consumed, index + 1, memory_order_release);
    return pointer;
}

#endif
