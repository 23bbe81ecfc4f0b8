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
 * The library exports one struct inspect_export. It lists the objects that snapshot_take and the formats read, and some
 * more. There are two readers, the command and a debugger. Reading costs the process nothing: the process makes no
 * call, gets no signal and takes no lock.
 *
 * The command copies each object over its own object of that name, maps copies of the memory that the objects point to,
 * and calls snapshot_take. So the structures of the command must have the same layout as those of the process. The
 * command compares INSPECT_VERSION, and then the layout of the structure with its own, byte by byte. It does not
 * compare the version of the library, so that after an upgrade the new command reads servers that still run the library
 * from before it. INSPECT_VERSION goes up with a release that changes an object in a way that this comparison would not
 * notice.
 *
 * A debugger runs command/debugger.py. This script relies only on the beginning of the structure, up to `layout`, and
 * finds everything else by the names in the structure. So it can read a core file of a library without symbols.
 *
 * The first three fields have the same place in every version.
 */
enum { INSPECT_MAGIC_SIZE = 16, INSPECT_ALIGNMENT = 64, INSPECT_VERSION = 2, INSPECT_LIBRARY_SIZE = 24 };

/* The columns of a row: the name of an object, and a span with its address and size. The order of the rows is a part of
 * the layout. */
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

/* More rows with the columns of INSPECT_ROWS, for objects that snapshot_take does not read. A debugger reads them. The
 * command does not copy them for a snapshot, but reads some of them for other purposes, such as RINGS for the figures
 * of rings. */
#define INSPECT_MORE_ROWS(ROW)                                                                                         \
    ROW(SLOTS, ((struct span){&slots, sizeof slots}))                                                                  \
    ROW(DEPOTS, depot_span())                                                                                          \
    ROW(MAGAZINE_LINKS, magazine_links_span())                                                                         \
    ROW(IN_USE, in_use_span())                                                                                         \
    ROW(MESSAGES, message_kept_span())                                                                                 \
    ROW(MESSAGE_PAGES, ((struct span){message_objects, sizeof message_objects}))                                       \
    ROW(MESSAGE_THREADS, message_threads_span())                                                                       \
    ROW(RINGS, ring_table_span())

enum inspect_export_object {
#define INSPECT_OBJECT(name, span) INSPECT_##name,
    INSPECT_ROWS(INSPECT_OBJECT)
#undef INSPECT_OBJECT
        INSPECT_COPIED, /* the number of objects that the command copies for a snapshot */
    INSPECT_BEFORE_MORE = INSPECT_COPIED - 1,
#define INSPECT_OBJECT(name, span) INSPECT_##name,
    INSPECT_MORE_ROWS(INSPECT_OBJECT)
#undef INSPECT_OBJECT
        INSPECT_OBJECTS
};

/* The columns of a row: a name, and a number that a reader has to know, which is a size, an offset in bytes or a
 * constant. */
#define INSPECT_PLACE_ROWS(ROW)                                                                                        \
    ROW(view_size, sizeof(struct inspect_export))                                                                      \
    ROW(pointer_size, sizeof(void *))                                                                                  \
    ROW(bucket_limit, BUCKET_LIMIT)                                                                                    \
    ROW(page_shift, REGION_SHIFT)                                                                                      \
    ROW(plan_size, sizeof(struct bucket_plan))                                                                         \
    ROW(plan_label, offsetof(struct bucket_plan, label))                                                               \
    ROW(label_size, BUCKET_LABEL_SIZE)                                                                                 \
    ROW(table_start, offsetof(struct table, start))                                                                    \
    ROW(table_ready, offsetof(struct table, ready))                                                                    \
    ROW(region_start, offsetof(struct region, start))                                                                  \
    ROW(region_states, offsetof(struct region, states))                                                                \
    ROW(region_requests, offsetof(struct region, requests))                                                            \
    ROW(region_links, offsetof(struct region, links))                                                                  \
    ROW(region_link_shift, offsetof(struct region, link_shift))                                                        \
    ROW(region_buckets, offsetof(struct region, buckets))                                                              \
    ROW(region_geometry, offsetof(struct region, geometry))                                                            \
    ROW(geometry_size, sizeof(struct bucket_geometry))                                                                 \
    ROW(geometry_stride, offsetof(struct bucket_geometry, stride))                                                     \
    ROW(growth_slots, offsetof(struct region_growth, slots))                                                           \
    ROW(growth_front, offsetof(struct region_growth, front))                                                           \
    ROW(growth_carved, offsetof(struct region_growth, carved))                                                         \
    ROW(slot_state_mask, SLOT_STATE_MASK)                                                                              \
    ROW(slot_never_used, SLOT_NEVER_USED)                                                                              \
    ROW(slot_live, SLOT_LIVE)                                                                                          \
    ROW(slot_free, SLOT_FREE)                                                                                          \
    ROW(slot_purged, SLOT_PURGED)                                                                                      \
    ROW(slot_begins, SLOT_BEGINS)                                                                                      \
    ROW(slot_bucket_mask, SLOT_BUCKET_MASK)                                                                            \
    ROW(slot_request_mask, SLOT_REQUEST_MASK)                                                                          \
    ROW(slot_packed, SLOT_PACKED)                                                                                      \
    ROW(cache_size, sizeof(struct cache))                                                                              \
    ROW(cache_ticked, offsetof(struct cache, state) + offsetof(struct cache_state, ticked))                            \
    ROW(cache_bin, offsetof(struct cache, bin))                                                                        \
    ROW(bin_size, sizeof(struct cache_bin))                                                                            \
    ROW(bin_top, offsetof(struct cache_bin, top))                                                                      \
    ROW(bin_public, offsetof(struct cache_bin, public_magazine))                                                       \
    ROW(bin_requests, offsetof(struct cache_bin, requests))                                                            \
    ROW(tally_size, sizeof(struct cache_tally))                                                                        \
    ROW(tally_armed, offsetof(struct cache_tally, armed))                                                              \
    ROW(tally_quota, offsetof(struct cache_tally, quota))                                                              \
    ROW(tally_fresh, offsetof(struct cache_tally, fresh))                                                              \
    ROW(tally_fresh_left, offsetof(struct cache_tally, fresh_left))                                                    \
    ROW(processors_records, offsetof(struct processors, table.records))                                                \
    ROW(processors_count, offsetof(struct processors, table.count))                                                    \
    ROW(magazine_size, sizeof(struct magazine))                                                                        \
    ROW(magazine_slot, offsetof(struct magazine, slot))                                                                \
    ROW(magazine_page, COLOUR_PAGE)                                                                                    \
    ROW(magazine_page_first, COLOUR_MAGAZINES)                                                                         \
    ROW(magazine_page_end, COLOUR_MAGAZINES_END)                                                                       \
    ROW(stack_size, sizeof(struct stack))                                                                              \
    ROW(stack_numbers, STACK_NUMBERS)                                                                                  \
    ROW(generations, DECAY_GENERATIONS)                                                                                \
    ROW(slots_free, offsetof(struct slots, free))                                                                      \
    ROW(slots_purged, offsetof(struct slots, purged))                                                                  \
    ROW(depot_size, sizeof(struct depot))                                                                              \
    ROW(depot_full, offsetof(struct depot, full))                                                                      \
    ROW(in_use_first, IN_USE_FIRST)                                                                                    \
    ROW(in_use_size, sizeof(struct in_use_record))                                                                     \
    ROW(in_use_taken_at, offsetof(struct in_use_record, taken_at))                                                     \
    ROW(in_use_caller, offsetof(struct in_use_record, caller))                                                         \
    ROW(pool_inherited_depot, offsetof(struct pool, inherited_depot))                                                  \
    ROW(kept_text, offsetof(struct message_kept, text))                                                                \
    ROW(kept_size, MESSAGE_KEPT)                                                                                       \
    ROW(fixed_pool_size, sizeof(struct fixed_pool))                                                                    \
    ROW(message_thread_size, sizeof(struct message_thread))                                                            \
    ROW(message_page_size, sizeof(struct message_page))                                                                \
    ROW(ring_size, sizeof(struct sockmalloc_ring))

#define INSPECT_COUNT_ROW(...) +1
enum { INSPECT_PLACES = 0 INSPECT_PLACE_ROWS(INSPECT_COUNT_ROW) };

/*
 * The names of all counters, settings, objects and places, in four lists that each end with a full stop. If this string
 * is equal in two programs, the counters, settings, objects and places have the same meaning in both.
 */
#define INSPECT_ROW_NAME(name, ...) #name " "
#define INSPECT_NAMES                                                                                                  \
    COUNTER_ROWS(INSPECT_ROW_NAME)                                                                                     \
    ". " OPTION_ROWS(INSPECT_ROW_NAME) ". " INSPECT_ROWS(INSPECT_ROW_NAME)                                             \
        INSPECT_MORE_ROWS(INSPECT_ROW_NAME) ". " INSPECT_PLACE_ROWS(INSPECT_ROW_NAME) "."

struct inspect_export_layout {
    char names[sizeof INSPECT_NAMES];
    uint32_t place[INSPECT_PLACES]; /* the values of INSPECT_PLACE_ROWS, which must be the same in the command */
};

struct inspect_export {
    _Alignas(INSPECT_ALIGNMENT) char magic[INSPECT_MAGIC_SIZE]; /* the bytes by which a reader finds this structure */
    uint32_t version;                                           /* INSPECT_VERSION */
    char library[INSPECT_LIBRARY_SIZE];                         /* the version of the library */
    _Atomic uint32_t born;                                      /* 1 when start-up has ended */
    struct inspect_export *self; /* the structure's own address, by which a reader distinguishes it from a copy */
    struct inspect_export_layout layout;
    struct span object[INSPECT_OBJECTS];
};

extern EXPORTED_OBJECT struct inspect_export sockmalloc_view;

/* Fills `object` with the addresses and sizes of the objects of this process. `plan` must stay valid. */
INTERNAL void inspect_export_list(struct span object[INSPECT_OBJECTS], const struct bucket_plan *plan);

/* Fills in the exported structure and marks it as complete. The library calls it at the end of start-up. */
INTERNAL void inspect_export_open(const struct bucket_plan *plan);

#endif
