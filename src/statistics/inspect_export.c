/* Exports the addresses that another process needs to read the statistics out of this process's memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/inspect_export.h"

#include "buffers/fixed_table.h"
#include "buffers/message_thread.h"
#include "buffers/ring_memory.h"
#include "cache/budget.h"
#include "cache/cache.h"
#include "cache/depot.h"
#include "cache/magazine.h"
#include "config/message.h"
#include "memory/region.h"
#include "memory/slots.h"
#include "percpu/percpu.h"
#include "pool/histogram.h"
#include "pool/in_use.h"
#include "pool/pool.h"
#include "pool/pressure.h"

_Static_assert(sizeof PACKAGE_VERSION <= INSPECT_LIBRARY_SIZE, "the version fits");
_Static_assert(offsetof(struct inspect_export, version) == 16 && offsetof(struct inspect_export, library) == 20 &&
                   offsetof(struct inspect_export, born) == 44 && offsetof(struct inspect_export, self) == 48 &&
                   offsetof(struct inspect_export, layout) == 56,
               "HEAD in command/debugger.py");

struct inspect_export sockmalloc_view = {
    .magic = "sockmalloc view",
    .version = INSPECT_VERSION,
    .library = PACKAGE_VERSION,
#define INSPECT_PLACE(name, value) (value),
    .layout = {.names = INSPECT_NAMES, .place = {INSPECT_PLACE_ROWS(INSPECT_PLACE)}},
#undef INSPECT_PLACE
};

COLD void inspect_export_list(struct span object[INSPECT_OBJECTS], const struct bucket_plan *plan)
{
#define INSPECT_SET(name, span) object[INSPECT_##name] = span;
    INSPECT_ROWS(INSPECT_SET)
    INSPECT_MORE_ROWS(INSPECT_SET)
#undef INSPECT_SET
}

COLD void inspect_export_open(const struct bucket_plan *plan)
{
    inspect_export_list(sockmalloc_view.object, plan);
    sockmalloc_view.self = &sockmalloc_view;
    atomic_store_explicit(&sockmalloc_view.born, 1, memory_order_release);
}
