/* Calls functions of the library, which it looks up by dlsym, and returns their results. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pools.h"

#include <stdio.h>

#include "check.h"

const char *const pools_labels[POOLS_BUCKETS] = {"4k",   "8k",   "16k", "32k", "64k", "128k",
                                                 "256k", "512k", "1m",  "2m",  "4m"};

size_t pools_size(unsigned bucket)
{
    return (size_t)4096 << bucket;
}

size_t pools_largest(unsigned bucket)
{
    size_t capacity = pools_size(bucket) + POOLS_HEADROOM;
    return capacity < POOLS_LARGEST ? capacity : POOLS_LARGEST;
}

/*
 * Returns the library's function `name`, and stores its address in `place`, so that dlsym is called only once. The
 * child of a fork must not call the dynamic linker, because another thread of the parent may have held the linker's
 * lock. Two threads may look a function up at the same time, because both get the same address.
 */
static void *find_once(void **place, const char *name)
{
    void *found = __atomic_load_n(place, __ATOMIC_RELAXED);
    if (found == NULL) {
        found = check_find(name);
        __atomic_store_n(place, found, __ATOMIC_RELAXED);
    }
    return found;
}

uint64_t pools_figure(const char *name)
{
    static void *place;
    int (*statistic)(const char *, uint64_t *);
    uint64_t value = 0;
    *(void **)&statistic = find_once(&place, "sockmalloc_statistic");
    check_that(statistic(name, &value) == 0, name, __FILE__, __LINE__);
    return value;
}

uint64_t pools_bucket_figure(unsigned bucket, const char *column)
{
    char name[32];
    snprintf(name, sizeof name, "%s.%s", pools_labels[bucket], column);
    return pools_figure(name);
}

bool pools_own(const void *address)
{
    static void *place;
    int (*owns)(const void *);
    *(void **)&owns = find_once(&place, "sockmalloc_owns");
    return owns(address) == 1;
}

size_t pools_capacity(const void *address)
{
    static void *place;
    size_t (*capacity)(const void *);
    *(void **)&capacity = find_once(&place, "sockmalloc_capacity");
    return capacity(address);
}

bool pools_are_active(void)
{
    static void *place;
    int (*active)(void);
    *(void **)&active = find_once(&place, "sockmalloc_active");
    return active() == 1;
}

int pools_dump_as(int descriptor, const char *format)
{
    static void *place;
    int (*dump_as)(int, const char *);
    *(void **)&dump_as = find_once(&place, "sockmalloc_dump_as");
    return dump_as(descriptor, format);
}

void pools_check_ledger(void)
{
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        uint64_t known = pools_bucket_figure(bucket, "live") + pools_bucket_figure(bucket, "cached") +
                         pools_bucket_figure(bucket, "depot") + pools_bucket_figure(bucket, "purged");
        uint64_t carved = pools_bucket_figure(bucket, "carved");
        check_equal(known, carved, "slots known of", pools_labels[bucket], __FILE__, __LINE__);
    }
}
