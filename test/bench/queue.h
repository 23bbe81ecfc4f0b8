/* A bounded queue of pointers from one thread to another, for rows in which one thread frees what another has
 * allocated. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_QUEUE_H
#define BENCH_QUEUE_H

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>

enum { QUEUE = 256, QUEUE_PATIENCE = 200 };

/* Each of the two threads writes only to its own cache line. Each also keeps a copy of the other thread's position, so
 * that it seldom reads the other's cache line, and the queue costs little compared with the allocator. */
struct queue {
    alignas(64) atomic_uint produced;
    unsigned consumed_seen;
    alignas(64) atomic_uint consumed;
    unsigned produced_seen;
    alignas(64) void *place[QUEUE];
};

/* Waits until the value of `counter` is no longer `old`, and returns the new value. After QUEUE_PATIENCE readings it
 * also calls sched_yield, because on a machine with one free processor the other thread could not run otherwise. */
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
 * Puts `pointer` into the queue as number `index`, counted from 0. The reading thread sees a batch of `batch` pointers
 * at once, when the last of them has been put. `batch` is a power of two, at most QUEUE / 2. Batches make the queue
 * cost less than the allocator.
 */
static inline void queue_put(struct queue *queue, unsigned index, void *pointer, unsigned batch)
{
    if (index - queue->consumed_seen == QUEUE)
        queue->consumed_seen = queue_await(&queue->consumed, queue->consumed_seen);
    queue->place[index % QUEUE] = pointer;
    if ((index + 1) % batch == 0)
        atomic_store_explicit(&queue->produced, index + 1, memory_order_release);
}

/* Removes the pointer number `index`, counted from 0, from the queue and returns it. Waits until this pointer has been
 * put into the queue. */
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
