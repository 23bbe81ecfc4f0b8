/* What another process needs to know in order to read the statistics out of this one's memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_VIEW_H
#define SOCKMALLOC_VIEW_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/attributes.h"
#include "memory/bucket.h"
#include "base/counter.h"
#include "config/option.h"
#include "base/region.h"

/*
 * The contract. The library exports one `struct view`, which names the objects that snapshot_take
 * and the reports read. Who reads it is a program of the same version that has the same rooms: it
 * copies each object over its own one, brings along what their pointers lead to, and calls
 * snapshot_take. To the process that is read this costs nothing: no call, no signal, no lock.
 *
 * The first three fields stay where they are in every version. All after them is for a reader whose
 * layout is the same, byte by byte.
 */
enum { VIEW_MAGIC_SIZE = 16, VIEW_ALIGNMENT = 64, VIEW_VERSION = 1, VIEW_LIBRARY_SIZE = 24 };

/* Each object: its name, the region. The order is a part of the layout. */
#define VIEW_ROWS(ROW)                                                                             \
    ROW(PLAN, ((struct region){(void *)(uintptr_t)plan, sizeof *plan}))                            \
    ROW(OPTIONS, ((struct region){&options, sizeof options}))                                      \
    ROW(PROCESS, message_process_region())                                                         \
    ROW(LANES, ((struct region){&lanes, sizeof lanes}))                                            \
    ROW(RANGE, lane_range_region())                                                                \
    ROW(SHARED, ((struct region){&cache_shared, sizeof cache_shared}))                             \
    ROW(CACHES, cache_table_region())                                                              \
    ROW(OPENED, cache_opened_region())                                                             \
    ROW(MAGAZINES, magazine_table_region())                                                        \
    ROW(PROCESSORS, ((struct region){&processors, sizeof processors}))                             \
    ROW(HISTOGRAM, histogram_region())                                                             \
    ROW(BUDGET, ((struct region){&budget, sizeof budget}))                                         \
    ROW(PRESSURE, ((struct region){&pressure, sizeof pressure}))                                   \
    ROW(POOLS, ((struct region){pools, sizeof pools}))                                             \
    ROW(FIRST_LARGE, ((struct region){&pool_first_large, sizeof pool_first_large}))                \
    ROW(KIND, pool_kind_region())

enum view_object {
#define VIEW_OBJECT(name, region) VIEW_##name,
    VIEW_ROWS(VIEW_OBJECT)
#undef VIEW_OBJECT
        VIEW_OBJECTS
};

/* What must be the same for a copied object to mean here what it meant there. */
#define VIEW_ROW_NAME(name, ...) #name " "
#define VIEW_NAMES               COUNTER_ROWS(VIEW_ROW_NAME) OPTION_ROWS(VIEW_ROW_NAME)

enum { VIEW_PLACES = 16 };

struct view_layout {
    char names[sizeof VIEW_NAMES];
    uint32_t place[VIEW_PLACES]; /* sizes and offsets */
};

struct view {
    _Alignas(VIEW_ALIGNMENT) char magic[VIEW_MAGIC_SIZE]; /* who looks for it goes by such steps */
    uint32_t version;                                     /* of this structure */
    char library[VIEW_LIBRARY_SIZE];                      /* the library's version */
    _Atomic uint32_t born;                                /* 1 from the end of birth on */
    struct view *self; /* where it lies: a copy of it elsewhere is none */
    struct view_layout layout;
    struct region object[VIEW_OBJECTS];
};

extern EXPORTED_OBJECT struct view sockmalloc_view;

/* Names the objects of this process in `object`. `plan` stays the caller's, and where it is. */
INTERNAL void view_list(struct region object[VIEW_OBJECTS], const struct bucket_plan *plan);

/* Opens the exported view. The last step of birth. */
INTERNAL void view_open(const struct bucket_plan *plan);

#endif
