/* Exports the addresses that another process needs to read the statistics out of this process's memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/inspect_export.h"

#include "buffers/fixed_table.h"
#include "cache/budget.h"
#include "cache/cache.h"
#include "cache/magazine.h"
#include "config/message.h"
#include "memory/region.h"
#include "percpu/percpu.h"
#include "pool/histogram.h"
#include "pool/pool.h"
#include "pool/pressure.h"

_Static_assert(sizeof PACKAGE_VERSION <= INSPECT_LIBRARY_SIZE, "the version fits");

struct inspect_export sockmalloc_view = {
    .magic = "sockmalloc view",
    .version = INSPECT_VERSION,
    .library = PACKAGE_VERSION,
    .layout = {.names = INSPECT_NAMES,
               .place = {sizeof(struct inspect_export), sizeof(struct cache), offsetof(struct cache, bin),
                         sizeof(struct cache_bin), offsetof(struct cache_bin, public_magazine),
                         offsetof(struct cache_bin, requests), sizeof(struct cache_tally),
                         offsetof(struct cache_tally, armed), offsetof(struct cache_tally, quota),
                         offsetof(struct cache_tally, fresh_left), sizeof(struct bucket_geometry),
                         offsetof(struct region_growth, front), sizeof(struct magazine),
                         offsetof(struct pool, inherited_depot), sizeof(struct bucket_plan), sizeof(void *),
                         sizeof(struct fixed_pool)}},
};

void inspect_export_list(struct span object[INSPECT_OBJECTS], const struct bucket_plan *plan)
{
#define INSPECT_SET(name, span) object[INSPECT_##name] = span;
    INSPECT_ROWS(INSPECT_SET)
#undef INSPECT_SET
}

void inspect_export_open(const struct bucket_plan *plan)
{
    inspect_export_list(sockmalloc_view.object, plan);
    sockmalloc_view.self = &sockmalloc_view;
    atomic_store_explicit(&sockmalloc_view.born, 1, memory_order_release);
}
