/* Keeps a table of the test program's own, which says which worker owns each slot. The table does not depend on the
 * pools' metadata. Owners are entered and removed by atomic exchanges only. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "claim.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "fault.h"
#include "lay.h"
#include "memory/region.h"

struct claim_record {
    _Atomic uint64_t serial;
    size_t request;
    /* atomic, because another thread may fork while the owner sets `filled`, and the child then reads it */
    _Atomic bool filled;
};

static struct claim_record *records; /* an array with one record for each page of the range */

void claim_open(void)
{
    size_t size = lay_pages() * sizeof(struct claim_record);
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        fault_die("no memory for the claims");
    }
    records = start;
}

static struct claim_record *claim_find(const char *slot)
{
    struct place place = region_find(slot);
    if (!place.found || !place.exact || place.number >= lay_pages()) {
        fault_die("the pool returned %p, which is no slot", (const void *)slot);
    }
    return &records[place.number];
}

void claim_make(const char *slot, size_t request, uint64_t serial)
{
    struct claim_record *record = claim_find(slot);
    uint64_t owner = atomic_exchange_explicit(&record->serial, serial, memory_order_relaxed);
    if (owner != 0) {
        fault_die("the pool returned %p to owner %lx, while owner %lx has it", (const void *)slot, serial, owner);
    }
    record->request = request;
}

void claim_fill(const char *slot)
{
    atomic_store_explicit(&claim_find(slot)->filled, true, memory_order_relaxed);
}

struct claim claim_drop(const char *slot)
{
    struct claim_record *record = claim_find(slot);
    struct claim claim = {.request = record->request, .filled = true};
    atomic_store_explicit(&record->filled, false, memory_order_relaxed);
    claim.serial = atomic_exchange_explicit(&record->serial, 0, memory_order_relaxed);
    if (claim.serial == 0) {
        fault_die("%p is to be freed, and has no owner", (const void *)slot);
    }
    return claim;
}

struct claim claim_read(uint32_t number)
{
    struct claim_record *record = &records[number];
    return (struct claim){.serial = atomic_load_explicit(&record->serial, memory_order_relaxed),
                          .request = record->request,
                          .filled = atomic_load_explicit(&record->filled, memory_order_relaxed)};
}

uint64_t claim_count(unsigned bucket)
{
    uint64_t count = 0;
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        count += region_bucket(number) == bucket && claim_read(number).serial != 0;
    }
    return count;
}
