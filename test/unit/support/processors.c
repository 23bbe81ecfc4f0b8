/* Allocates and frees slots directly in the caches that each processor has with SOCKMALLOC_POOL=cpu, and reads the
 * counters of these caches. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/processors.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

#include "memory/region.h"
#include "memory/slots.h"
#include "os/os_processors.h"
#include "support/crew.h"
#include "support/house.h"

enum { REQUEST = 4096 };

void processors_need(void)
{
    if (!rseq_available()) {
        cr_skip("glibc or kernel without restartable sequences");
    }
}

void processors_lay(void)
{
    processors_need();
    house_lay_default();
    cr_assert_eq(percpu_records(), 0U);
    cr_assert(percpu_open());
    cr_assert_eq(percpu_records(), os_processors());
}

/* the processors on which the process may run; one thread reads them before any thread is pinned */
static cpu_set_t all;

static void read_all(void)
{
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
}

unsigned processors_pin(unsigned n)
{
    static pthread_once_t known = PTHREAD_ONCE_INIT;
    cpu_set_t one;
    CHECK(pthread_once(&known, read_all) == 0);
    unsigned left = n % (unsigned)CPU_COUNT(&all);
    unsigned number = 0;
    while (!CPU_ISSET(number, &all) || left-- > 0) {
        number++;
    }
    CPU_ZERO(&one);
    CPU_SET(number, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    return number;
}

void *processors_take(unsigned bucket, enum percpu_source *source)
{
    void *slot = percpu_pop(bucket, source);
    if (slot != NULL) {
        house_mark(slot, SLOT_LIVE, REQUEST);
        percpu_count(&cache_shared.bin[bucket].requests, 1);
    }
    return slot;
}

bool processors_give(unsigned bucket, void *slot)
{
    house_mark(slot, SLOT_FREE, REQUEST);
    percpu_count(&cache_shared.bin[bucket].returned, 1);
    if (percpu_push(bucket, slot)) {
        return true;
    }
    slots_push(bucket, region_number(slot));
    percpu_count(&cache_shared.tally[bucket].deposited, 1);
    return false;
}

uint32_t processors_held(unsigned number, unsigned bucket)
{
    return cache_held(percpu_at(number), bucket);
}

uint64_t processors_sum(const struct counter *of_shared)
{
    size_t offset = (size_t)((const char *)of_shared - (const char *)&cache_shared);
    uint64_t sum = counter_read(of_shared);
    for (uint32_t number = 0; number < percpu_records(); number++) {
        const char *record = (const char *)percpu_at(number);
        sum += counter_read((const struct counter *)(const void *)(record + offset));
    }
    return sum;
}
