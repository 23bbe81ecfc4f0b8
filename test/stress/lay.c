/* Sets up the library's tables, its range of addresses and its pools as the library does at start-up, but smaller. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "lay.h"

#include <pthread.h>

#include "cache/budget.h"
#include "cache/cache.h"
#include "cache/magazine.h"
#include "command.h"
#include "config/message.h"
#include "fault.h"
#include "memory/region.h"
#include "memory/reserve.h"
#include "os/os.h"
#include "percpu/percpu.h"
#include "pool/in_use.h"
#include "pool/pool.h"
#include "route/route.h"

enum {
    /* two to this power is the size of the range in bytes: 8 MiB, so small that the range is full at times */
    SHIFT = 23,
    MAXIMUM = 256 << 10,
    /* in bytes: how much all caches together may hold. Training would give the caches higher quotas together than this
     * allows, so the caches compete for quotas. */
    CACHE_LIMIT = 2 << 20,
    /* how many free slots the list of each bucket keeps with SOCKMALLOC_POOL=standard; further free slots are purged */
    FREE_LIST = 4,
};

struct bucket_plan lay_plan;
static const size_t lay_range = (size_t)1 << SHIFT;

static size_t lay_space(void)
{
    return region_space(lay_range) + magazine_space() + cache_space() + percpu_space() + in_use_space(lay_range);
}

static bool lay_tables(void)
{
    return magazine_lay() && cache_lay() && percpu_lay() && (command.kind != KIND_STANDARD || in_use_lay(lay_range)) &&
           region_lay(&lay_plan, lay_range);
}

/*
 * Sets up the pools. The pool kind `auto` changes to `cpu` when a thread allocates for the first time while
 * command.threads or more caches are open. command.threads is the number of threads that staff.c starts, and each of
 * these has a cache. In the middle of the run the first thread of the process allocates, too, so that the kind changes.
 */
static bool lay_pools(void)
{
    struct pool_settings settings = {.kind = command.kind,
                                     .crowd = command.threads,
                                     .free_list = FREE_LIST,
                                     .cache_limit = CACHE_LIMIT,
                                     .retain_limit = command.retain,
                                     .large_limit = BUDGET_UNLIMITED,
                                     .decay = command.decay};
    bool opened = pool_open(&lay_plan, &settings);
    return opened && (command.kind != KIND_AUTO || pool_kind() == KIND_AUTO);
}

/*
 * Runs in the child of a fork, and searches at once for the slots that were free in the parent. The library itself
 * would search only at the child's next slow allocation. But the child of this test checks all counters before it
 * allocates.
 */
static void lay_after_fork(void)
{
    pool_atfork_child();
    pool_recover_due();
}

bool lay_rooms(void)
{
    struct bucket_settings settings = {
        .minimum = 4096, .maximum = MAXIMUM, .large = 85000, .headroom = 4096, .page = os_page_size()};
    message_open();
    bucket_plan_make(&lay_plan, &settings, route.line);
    if (!reserve_open(lay_space(), NULL) || !lay_tables()) {
        fault_die("no addresses");
    }
    if (!lay_pools()) {
        return false;
    }
    route_publish(&lay_plan);
    return pthread_atfork(NULL, NULL, lay_after_fork) == 0;
}

uint32_t lay_pages(void)
{
    return (uint32_t)(lay_range >> REGION_SHIFT);
}

bool lay_is_free(unsigned bucket)
{
    return command.kind == KIND_STANDARD || pool_is_large(bucket);
}
