/* Measures the row `message`: how long messages of one size take in message pages (sockmalloc_message_*) or, under
 * other allocators, by malloc and free. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The argument is SIZE.WAY. One operation is an allocation, one byte written, and a free. In the way `pair` each
 * message is freed before the next one is allocated. The way `batch` does the same by the inline functions
 * sockmalloc_message_batch_alloc and sockmalloc_message_batch_free. The way `fifo` uses these functions, too, but 64
 * messages are live, and the oldest of them is freed before the next one is allocated. In the way `many` a thread
 * allocates 32 messages and then frees them, as a server does that calls recvmmsg; with message pages it does this by
 * one call each. In the way `two` one thread allocates messages, and another reads a byte of each and frees it. The
 * processor time of both threads counts. The time in which they wait for each other does not, because it would be most
 * of the time on a machine with other load.
 */
#include "bench.h"
#include "clock.h"
#include "processor.h"
#include "touch.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sockmalloc.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* These functions are declared weak, because the program is not linked with sockmalloc: they are NULL unless sockmalloc
 * is preloaded. */
#pragma weak sockmalloc_message_open
#pragma weak sockmalloc_message_alloc
#pragma weak sockmalloc_message_alloc_many
#pragma weak sockmalloc_message_free
#pragma weak sockmalloc_message_free_many

enum { OPERATIONS = 16384, MANY = 32, LIVE = 64, BATCH = 256, BATCHES = 2, ROUNDS = 4000, FIRST_ROUNDS = 400 };

static struct sockmalloc_message *pages; /* NULL under an allocator that has no message pages */
static size_t size;

static void pair_batch(void *state)
{
    (void)state;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        void *message = pages != NULL ? sockmalloc_message_alloc(pages, size, 0) : malloc(size);
        touch_first(message);
        if (pages != NULL)
            sockmalloc_message_free(pages, message);
        else
            free(message);
    }
}

static struct sockmalloc_message_batch batched;

static void batched_batch(void *state)
{
    (void)state;
    if (pages == NULL) {
        pair_batch(NULL);
        return;
    }
    for (unsigned i = 0; i < OPERATIONS; i++) {
        void *message = sockmalloc_message_batch_alloc(&batched);
        touch_first(message);
        sockmalloc_message_batch_free(&batched, message);
    }
}

/* The live messages of the way `fifo`. At first they are NULL, which both kinds of free ignore. */
static void *live[LIVE];

static void fifo_batch(void *state)
{
    (void)state;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        void **oldest = &live[i % LIVE];
        if (pages != NULL)
            sockmalloc_message_batch_free(&batched, *oldest);
        else
            free(*oldest);
        *oldest = pages != NULL ? sockmalloc_message_batch_alloc(&batched) : malloc(size);
        touch_first(*oldest);
    }
}

static void allocate_many(void **messages, unsigned count)
{
    if (pages != NULL)
        sockmalloc_message_alloc_many(pages, size, 0, count, messages);
    for (unsigned i = 0; i < count; i++) {
        if (pages == NULL)
            messages[i] = malloc(size);
        touch_first(messages[i]);
    }
}

static void free_many(void **messages, unsigned count)
{
    if (pages != NULL) {
        sockmalloc_message_free_many(pages, count, messages);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        free(messages[i]);
}

static void many_batch(void *state)
{
    void *messages[MANY];
    (void)state;
    for (unsigned i = 0; i < OPERATIONS / MANY; i++) {
        allocate_many(messages, MANY);
        free_many(messages, MANY);
    }
}

/* A ring of batches of messages, from the allocating to the freeing thread. `produced` and `consumed` count the batches
 * so far. */
static void *batch[BATCHES][BATCH];
static alignas(64) atomic_uint produced;
static alignas(64) atomic_uint consumed;
static int64_t consumer_time;

static void await(atomic_uint *counter, unsigned least)
{
    while ((int)(atomic_load_explicit(counter, memory_order_acquire) - least) < 0)
        sched_yield();
}

static void produce(unsigned round)
{
    for (unsigned i = 0; i < BATCH; i++) {
        void *message = pages != NULL ? sockmalloc_message_alloc(pages, size, 0) : malloc(size);
        touch_first(message);
        batch[round % BATCHES][i] = message;
    }
}

static void consume(unsigned round)
{
    for (unsigned i = 0; i < BATCH; i++) {
        void *message = batch[round % BATCHES][i];
        (void)*(volatile char *)message;
        if (pages != NULL)
            sockmalloc_message_free(pages, message);
        else
            free(message);
    }
}

static void *consume_all(void *argument)
{
    processor_pin(1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        await(&produced, round + 1);
        int64_t start = clock_busy();
        consume(round);
        consumer_time += round < FIRST_ROUNDS ? 0 : clock_busy() - start;
        atomic_store_explicit(&consumed, round + 1, memory_order_release);
    }
    return argument;
}

static double two_threads(void)
{
    pthread_t consumer;
    int64_t time = 0;
    processor_pin(0);
    errno = pthread_create(&consumer, NULL, consume_all, NULL);
    if (errno != 0)
        bench_fail("message: pthread_create");
    for (unsigned round = 0; round < ROUNDS; round++) {
        await(&consumed, round + 1 - BATCHES);
        int64_t start = clock_busy();
        produce(round);
        time += round < FIRST_ROUNDS ? 0 : clock_busy() - start;
        atomic_store_explicit(&produced, round + 1, memory_order_release);
    }
    pthread_join(consumer, NULL);
    return (double)(time + consumer_time) / ((double)BATCH * (ROUNDS - FIRST_ROUNDS));
}

static void (*batch_of(const char *way))(void *)
{
    if (strcmp(way, ".batch") == 0) {
        return batched_batch;
    }
    if (strcmp(way, ".fifo") == 0) {
        return fifo_batch;
    }
    return strcmp(way, ".many") == 0 ? many_batch : pair_batch;
}

void row_message(const char *argument)
{
    char name[64];
    char *way;
    size = strtoul(argument, &way, 10);
    snprintf(name, sizeof name, "message.%s", argument);
    if (sockmalloc_message_open != NULL && (pages = sockmalloc_message_open(NULL)) == NULL)
        bench_fail("message: sockmalloc_message_open");
    if (strcmp(way, ".two") == 0) {
        bench_report(name, two_threads(), "ns");
        return;
    }
    processor_pin(0);
    sockmalloc_message_batch_begin(&batched, pages, size, 0);
    bench_report(name, clock_steady(batch_of(way), NULL, OPERATIONS), "ns");
}
