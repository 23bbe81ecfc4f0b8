/* The processors' caches: what each processor holds per bucket, one magazine, whoever runs on it.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "percpu/percpu.h"

#include <string.h>

#include "base/bounds.h"
#include "cache/budget.h"
#include "memory/region.h"
#include "memory/reserve.h"
#include "memory/table.h"
#include "os/os.h"

/* Address space for at most this many processors' records: those beyond go by depot and stacks. */
enum { PROCESSORS_MAX = 1 << 12 };

_Static_assert(sizeof(struct cache) == RSEQ_RECORD, "a processor's number finds its record");

struct processors processors;
static struct table records;
static atomic_flag sharing = ATOMIC_FLAG_INIT;

static size_t percpu_limit_of_records(void)
{
    static size_t limit; /* read once: laying must take what was counted */
    if (limit == 0) {
        limit = os_processors();
        limit = LESSER(limit, PROCESSORS_MAX);
    }
    return limit;
}

static size_t percpu_table_size(void)
{
    return os_round_to_pages(percpu_limit_of_records() * sizeof(struct cache));
}

size_t percpu_space(void)
{
    return reserve_space(percpu_table_size());
}

bool percpu_lay(void)
{
    size_t size = percpu_table_size();
    bool laid = table_open(&records, reserve_cut(size), size, size);
    processors.table.records = records.start;
    processors.table.area = rseq_area_offset();
    atomic_store_explicit(&processors.table.count, 0, memory_order_relaxed);
    return laid;
}

void percpu_unlay(void)
{
    table_close(&records);
}

bool percpu_open(void)
{
    size_t limit = percpu_limit_of_records();
    if (!rseq_available() || !table_reach(&records, limit * sizeof(struct cache))) {
        return false;
    }
    atomic_store_explicit(&processors.table.count, limit, memory_order_release);
    return true;
}

void percpu_set_quota(unsigned bucket, uint32_t quota)
{
    uint32_t count = LESSER(quota, MAGAZINE_SLOTS);
    atomic_store_explicit(&processors.limit[bucket], count * (uint32_t)sizeof(void *), memory_order_relaxed);
}

uint32_t percpu_records(void)
{
    return (uint32_t)atomic_load_explicit(&processors.table.count, memory_order_acquire);
}

uint32_t percpu_capacity(void)
{
    return PROCESSORS_MAX;
}

struct cache *percpu_at(uint32_t number)
{
    return (struct cache *)(void *)processors.table.records + number;
}

void percpu_forget(void)
{
    for (uint32_t number = 0; number < percpu_records(); number++) {
        struct cache *record = percpu_at(number);
        for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
            /* The pages of processors on which nobody ever ran stay the kernel's. */
            if (atomic_load_explicit(&record->bin[bucket].top, memory_order_relaxed) != NULL) {
                atomic_store_explicit(&record->bin[bucket].top, NULL, memory_order_relaxed);
            }
        }
    }
}

void percpu_reset(void)
{
    table_after_fork(&records);
    atomic_flag_clear_explicit(&sharing, memory_order_relaxed);
    for (uint32_t number = 0; number < percpu_records(); number++) {
        struct cache *record = percpu_at(number);
        /* The pages of processors on which nobody ever ran stay the kernel's. */
        if (memcmp(record, &cache_none, sizeof *record) != 0) {
            memset(record, 0, sizeof *record);
        }
    }
}

/* Raises the quota of one bucket on every processor as far as `bytes` bytes of the cache budget allow. */
static void percpu_raise_quota(unsigned bucket, uint64_t bytes)
{
    uint64_t price = (uint64_t)percpu_records() * region.geometry[bucket].capacity;
    uint32_t had = percpu_quota(bucket);
    uint64_t more = bytes / price;
    more = LESSER(more, MAGAZINE_SLOTS - had);
    if (more > 0 && budget_charge(more * price)) {
        percpu_set_quota(bucket, had + (uint32_t)more);
    }
}

/* Each bucket and each processor gets an equal share because threads come and go: which buckets one processor has
 * used so far says little about the next minute. */
void percpu_share_budget(unsigned trained)
{
    if (percpu_records() == 0 || atomic_flag_test_and_set_explicit(&sharing, memory_order_acquire)) {
        return; /* no records, or another thread is already sharing out all that is left */
    }
    for (unsigned bucket = 0; bucket < trained; bucket++) {
        percpu_raise_quota(bucket, budget_left() / (trained - bucket));
    }
    atomic_flag_clear_explicit(&sharing, memory_order_release);
}

uint64_t percpu_charge(void)
{
    uint64_t charge = 0;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        charge += (uint64_t)percpu_quota(bucket) * region.geometry[bucket].capacity;
    }
    return charge * percpu_records();
}
