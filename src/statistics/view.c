/* What another process needs to know in order to read the statistics out of this one's memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/view.h"

#include "cache/budget.h"
#include "cache/cache.h"
#include "pool/histogram.h"
#include "memory/lane.h"
#include "cache/magazine.h"
#include "config/message.h"
#include "pool/pool.h"
#include "pool/pressure.h"
#include "percpu/processor.h"

_Static_assert(sizeof PACKAGE_VERSION <= VIEW_LIBRARY_SIZE, "the version fits");

struct view sockmalloc_view = {
    .magic = "sockmalloc view",
    .version = VIEW_VERSION,
    .library = PACKAGE_VERSION,
    .layout = {.names = VIEW_NAMES,
               .place = {sizeof(struct view), sizeof(struct cache), offsetof(struct cache, bin),
                         sizeof(struct cache_bin), offsetof(struct cache_bin, public_magazine),
                         offsetof(struct cache_bin, requests), sizeof(struct cache_tally),
                         offsetof(struct cache_tally, armed), offsetof(struct cache_tally, quota),
                         offsetof(struct cache_tally, fresh_left), sizeof(struct lane),
                         offsetof(struct lane_range, front), sizeof(struct magazine),
                         offsetof(struct pool, inherited_depot), sizeof(struct bucket_plan),
                         sizeof(void *)}},
};

void view_list(struct region object[VIEW_OBJECTS], const struct bucket_plan *plan)
{
#define VIEW_SET(name, region) object[VIEW_##name] = region;
    VIEW_ROWS(VIEW_SET)
#undef VIEW_SET
}

void view_open(const struct bucket_plan *plan)
{
    view_list(sockmalloc_view.object, plan);
    sockmalloc_view.self = &sockmalloc_view;
    atomic_store_explicit(&sockmalloc_view.born, 1, memory_order_release);
}
