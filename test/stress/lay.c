/* Lays the rooms as birth lays them, only small, for the pool that the command line names. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "lay.h"

#include <pthread.h>

#include "budget.h"
#include "cache.h"
#include "command.h"
#include "fault.h"
#include "in_use.h"
#include "lane.h"
#include "magazine.h"
#include "message.h"
#include "os.h"
#include "pool.h"
#include "processor.h"
#include "reserve.h"
#include "route.h"

enum {
    SHIFT = 20,
    MAXIMUM = 256 << 10,
    CACHE_LIMIT = 2 << 20, /* bytes: too little for all caches, so that quotas are fought for */
    FREE_LIST = 4,         /* slots: the rest is purged */
};

struct bucket_plan lay_plan;

static size_t lay_space(void)
{
    return lane_space(&lay_plan, SHIFT) + magazine_space(SHIFT) + cache_space(SHIFT) +
           processor_space() + in_use_space(&lay_plan, SHIFT);
}

static void lay_tables(void)
{
    magazine_lay(SHIFT);
    cache_lay(SHIFT);
    processor_lay();
    if (command.kind == KIND_STANDARD) {
        in_use_lay(&lay_plan, SHIFT);
    }
    lane_lay(&lay_plan, SHIFT);
}

/* KIND_AUTO is to turn in mid-run: when one thread more than the staff has asked for a slot. */
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

/* In the child at once, since it looks at all figures before it takes anything. */
static void lay_after_fork(void)
{
    pool_inherit();
    pool_adopt_due();
}

bool lay_rooms(void)
{
    struct bucket_settings settings = {.minimum = 4096,
                                       .maximum = MAXIMUM,
                                       .large = 85000,
                                       .headroom = 4096,
                                       .page = os_page_size()};
    message_open();
    bucket_plan_make(&lay_plan, &settings, route.line);
    if (!reserve_open(lay_space(), NULL)) {
        fault_die("no address space");
    }
    lay_tables();
    if (!lay_pools()) {
        return false;
    }
    lane_publish();
    route_publish(&lay_plan);
    return pthread_atfork(NULL, NULL, lay_after_fork) == 0;
}

bool lay_is_loose(unsigned bucket)
{
    return command.kind == KIND_STANDARD || pool_is_large(bucket);
}
