/* What another process needs to know in order to read the statistics out of this one's memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_INSPECT_EXPORT_H
#define SOCKMALLOC_INSPECT_EXPORT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/counter.h"
#include "base/span.h"
#include "config/option.h"
#include "memory/bucket.h"

/*
 * The contract. The library exports one `struct inspect_export`, which names the objects that snapshot_take
 * and the reports read. Who reads it is a program of the same version that has the same rooms: it
 * copies each object over its own one, brings along what their pointers lead to, and calls
 * snapshot_take. To the process that is read this costs nothing: no call, no signal, no lock.
 *
 * The first three fields stay where they are in every version. All after them is for a reader whose
 * layout is the same, byte by byte.
 */
enum { INSPECT_MAGIC_SIZE = 16, INSPECT_ALIGNMENT = 64, INSPECT_VERSION = 1, INSPECT_LIBRARY_SIZE = 24 };

/* Each object: its name, the region. The order is a part of the layout. */
#define INSPECT_ROWS(ROW)                                                                                              \
    ROW(PLAN, ((struct span){(void *)(uintptr_t)plan, sizeof *plan}))                                                  \
    ROW(OPTIONS, ((struct span){&options, sizeof options}))                                                            \
    ROW(PROCESS, message_process_span())                                                                               \
    ROW(REGIONS, ((struct span){&region, sizeof region}))                                                              \
    ROW(RANGE, region_growth_span())                                                                                   \
    ROW(SHARED, ((struct span){&cache_shared, sizeof cache_shared}))                                                   \
    ROW(CACHES, cache_table_span())                                                                                    \
    ROW(OPENED, cache_opened_span())                                                                                   \
    ROW(MAGAZINES, magazine_table_span())                                                                              \
    ROW(PROCESSORS, ((struct span){&processors, sizeof processors}))                                                   \
    ROW(HISTOGRAM, histogram_span())                                                                                   \
    ROW(BUDGET, ((struct span){&budget, sizeof budget}))                                                               \
    ROW(PRESSURE, ((struct span){&pressure, sizeof pressure}))                                                         \
    ROW(POOLS, ((struct span){pools, sizeof pools}))                                                                   \
    ROW(FIRST_LARGE, ((struct span){&pool_first_large, sizeof pool_first_large}))                                      \
    ROW(KIND, pool_kind_span())

enum inspect_export_object {
#define INSPECT_OBJECT(name, span) INSPECT_##name,
    INSPECT_ROWS(INSPECT_OBJECT)
#undef INSPECT_OBJECT
        INSPECT_OBJECTS
};

/* What must be the same for a copied object to mean here what it meant there. */
#define INSPECT_ROW_NAME(name, ...) #name " "
#define INSPECT_NAMES               COUNTER_ROWS(INSPECT_ROW_NAME) OPTION_ROWS(INSPECT_ROW_NAME)

enum { INSPECT_PLACES = 16 };

struct inspect_export_layout {
    char names[sizeof INSPECT_NAMES];
    uint32_t place[INSPECT_PLACES]; /* sizes and offsets */
};

struct inspect_export {
    _Alignas(INSPECT_ALIGNMENT) char magic[INSPECT_MAGIC_SIZE]; /* who looks for it goes by such steps */
    uint32_t version;                                           /* of this structure */
    char library[INSPECT_LIBRARY_SIZE];                         /* the library's version */
    _Atomic uint32_t born;                                      /* 1 from the end of start on */
    struct inspect_export *self;                                /* where it lies: a copy of it elsewhere is none */
    struct inspect_export_layout layout;
    struct span object[INSPECT_OBJECTS];
};

extern EXPORTED_OBJECT struct inspect_export sockmalloc_view;

/* Names the objects of this process in `object`. `plan` stays the caller's, and where it is. */
INTERNAL void inspect_export_list(struct span object[INSPECT_OBJECTS], const struct bucket_plan *plan);

/* Opens the exported view. The last step of start. */
INTERNAL void inspect_export_open(const struct bucket_plan *plan);

#endif
