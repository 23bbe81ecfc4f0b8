/* When each slot was taken and by whom: a table beside the cards, laid only where it is asked for.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "in_use.h"

#include <stdatomic.h>

#include "clock.h"
#include "colour.h"
#include "os.h"
#include "reserve.h"
#include "table.h"

/* A bucket's table grows by records of at least 1,024 slots. */
enum { RECORDS_STEP = 16 << 10 };

struct in_use_record {
    _Atomic uint64_t taken_at;
    _Atomic(const void *) caller;
};

static struct table records[BUCKET_LIMIT];

bool in_use_laid;

/* Where slot `number`'s record ends. */
static size_t in_use_end(unsigned bucket, size_t number)
{
    return colour_cards(bucket) + (number + 1) * sizeof(struct in_use_record);
}

static size_t in_use_size(const struct bucket_plan *plan, unsigned bucket, unsigned shift)
{
    size_t slots = ((size_t)1 << shift) / plan->stride[bucket];
    return os_round_to_pages(in_use_end(bucket, slots));
}

static struct in_use_record *in_use_record(unsigned bucket, uint32_t number)
{
    char *first = records[bucket].start + colour_cards(bucket);
    return (struct in_use_record *)(void *)first + number;
}

size_t in_use_space(const struct bucket_plan *plan, unsigned shift)
{
    size_t space = 0;
    for (unsigned bucket = 0; bucket < plan->count; bucket++) {
        space += in_use_size(plan, bucket, shift);
    }
    return space;
}

void in_use_lay(const struct bucket_plan *plan, unsigned shift)
{
    for (unsigned bucket = 0; bucket < plan->count; bucket++) {
        size_t size = in_use_size(plan, bucket, shift);
        table_open(&records[bucket], reserve_cut(size), size, RECORDS_STEP);
    }
    in_use_laid = true;
}

uint64_t in_use_now(void)
{
    return clock_now();
}

bool in_use_note_at(unsigned bucket, uint32_t number, const void *caller, uint64_t taken_at)
{
    if (!table_reach(&records[bucket], in_use_end(bucket, number))) {
        return false;
    }
    struct in_use_record *record = in_use_record(bucket, number);
    atomic_store_explicit(&record->taken_at, taken_at, memory_order_relaxed);
    atomic_store_explicit(&record->caller, caller, memory_order_relaxed);
    return true;
}

bool in_use_note(unsigned bucket, uint32_t number, const void *caller)
{
    return in_use_note_at(bucket, number, caller, in_use_now());
}

struct in_use in_use_find(unsigned bucket, uint32_t number)
{
    size_t ready = atomic_load_explicit(&records[bucket].ready, memory_order_acquire);
    if (in_use_end(bucket, number) > ready) {
        return (struct in_use){0};
    }
    const struct in_use_record *record = in_use_record(bucket, number);
    return (struct in_use){
        .taken_at = atomic_load_explicit(&record->taken_at, memory_order_relaxed),
        .caller = atomic_load_explicit(&record->caller, memory_order_relaxed),
    };
}
