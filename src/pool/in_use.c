/* Records when each slot was allocated and by which caller. The table of records exists only with SOCKMALLOC_IN_USE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/in_use.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "memory/bucket.h"
#include "memory/reserve.h"
#include "memory/table.h"
#include "os/os.h"

/* The table of records grows by at least this number of bytes, which is enough for the records of 4 MiB of slots. */
enum { RECORDS_STEP = 16 << 10 };

static struct table records;

bool in_use_laid;

/* Returns the offset in the table of records at which the record of slot `number` ends. */
static size_t in_use_end(size_t number)
{
    return IN_USE_FIRST + (number + 1) * sizeof(struct in_use_record);
}

static struct in_use_record *in_use_record(uint32_t number)
{
    return (struct in_use_record *)(void *)(records.start + IN_USE_FIRST) + number;
}

static size_t in_use_table_size(size_t size)
{
    return os_round_to_pages(in_use_end(size >> BUCKET_GRANULE_SHIFT));
}

size_t in_use_space(size_t size)
{
    return reserve_space(in_use_table_size(size));
}

bool in_use_lay(size_t size)
{
    size_t table = in_use_table_size(size);
    in_use_laid = table_open(&records, reserve_cut(table), table, RECORDS_STEP);
    return in_use_laid;
}

void in_use_unlay(void)
{
    table_close(&records);
    in_use_laid = false;
}

void in_use_after_fork(void)
{
    table_after_fork(&records);
}

uint64_t in_use_now(void)
{
    return clock_now();
}

bool in_use_note_at(uint32_t number, const void *caller, uint64_t taken_at)
{
    if (!table_reach(&records, in_use_end(number))) {
        return false;
    }
    struct in_use_record *record = in_use_record(number);
    atomic_store_explicit(&record->taken_at, taken_at, memory_order_relaxed);
    atomic_store_explicit(&record->caller, caller, memory_order_relaxed);
    return true;
}

bool in_use_note(uint32_t number, const void *caller)
{
    return in_use_note_at(number, caller, in_use_now());
}

struct in_use in_use_find(uint32_t number)
{
    size_t ready = atomic_load_explicit(&records.ready, memory_order_acquire);
    if (in_use_end(number) > ready) {
        return (struct in_use){0};
    }
    const struct in_use_record *record = in_use_record(number);
    return (struct in_use){
        .taken_at = atomic_load_explicit(&record->taken_at, memory_order_relaxed),
        .caller = atomic_load_explicit(&record->caller, memory_order_relaxed),
    };
}

COLD struct span in_use_span(void)
{
    return (struct span){&records, sizeof records};
}
