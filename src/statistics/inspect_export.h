/* Exports the addresses that another process needs to read the statistics out of this process's memory. */
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
 * The library exports one struct inspect_export. It lists the objects that snapshot_take and the formats read. The
 * reader is a program of the same version that is built from the same files. It copies each object over its own object
 * of that name, maps copies of the memory that the objects point to, and calls snapshot_take. The process that is read
 * pays nothing for that: it makes no call, gets no signal and takes no lock.
 *
 * The first three fields stay where they are in every version. The fields after them are for a reader whose layout is
 * the same, byte by byte.
 */
enum { INSPECT_MAGIC_SIZE = 16, INSPECT_ALIGNMENT = 64, INSPECT_VERSION = 1, INSPECT_LIBRARY_SIZE = 24 };

/* Columns: the name of an object, and a span with its address and size. The order is a part of the layout. */
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
    ROW(KIND, pool_kind_span())                                                                                        \
    ROW(FIXED, fixed_table_span())

enum inspect_export_object {
#define INSPECT_OBJECT(name, span) INSPECT_##name,
    INSPECT_ROWS(INSPECT_OBJECT)
#undef INSPECT_OBJECT
        INSPECT_OBJECTS
};

/* The names of all counters and settings. If they are the same in two programs, their tables mean the same in both. */
#define INSPECT_ROW_NAME(name, ...) #name " "
#define INSPECT_NAMES               COUNTER_ROWS(INSPECT_ROW_NAME) OPTION_ROWS(INSPECT_ROW_NAME)

enum { INSPECT_PLACES = 17 };

struct inspect_export_layout {
    char names[sizeof INSPECT_NAMES];
    uint32_t place[INSPECT_PLACES]; /* sizes and offsets of structures, which must be the same in the reader */
};

struct inspect_export {
    _Alignas(INSPECT_ALIGNMENT) char magic[INSPECT_MAGIC_SIZE]; /* the bytes by which a reader finds this structure */
    uint32_t version;                                           /* INSPECT_VERSION */
    char library[INSPECT_LIBRARY_SIZE];                         /* the version of the library */
    _Atomic uint32_t born;                                      /* 1 once start-up has ended */
    struct inspect_export *self; /* the structure's own address, by which a reader tells it from a copy */
    struct inspect_export_layout layout;
    struct span object[INSPECT_OBJECTS];
};

extern EXPORTED_OBJECT struct inspect_export sockmalloc_view;

/* Fills `object` with the addresses and sizes of the objects of this process. `plan` must stay where it is. */
INTERNAL void inspect_export_list(struct span object[INSPECT_OBJECTS], const struct bucket_plan *plan);

/* Fills in the exported structure and marks it as complete. The library calls it at the end of start-up. */
INTERNAL void inspect_export_open(const struct bucket_plan *plan);

#endif
