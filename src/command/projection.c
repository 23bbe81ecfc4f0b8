/* Another process's state, copied over this one's own, so that the rooms speak of that process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/projection.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/cache.h"
#include "memory/lane.h"
#include "cache/magazine.h"
#include "config/message.h"
#include "config/option.h"
#include "os/os.h"
#include "pool/pool.h"
#include "percpu/processor.h"

struct bucket_plan projection_plan;

/* What is mapped here in the place where the process has it: cards, caches, magazines. */
enum { PIECES_MAX = 4 };
static struct region pieces[PIECES_MAX];
static unsigned piece_count;
static size_t pieces_size;

static void projection_release(void)
{
    while (piece_count > 0) {
        piece_count--;
        munmap(pieces[piece_count].start, pieces[piece_count].size);
    }
    pieces_size = 0;
}

/* Memory in a place that the process's pointers name: whole pages around the piece. */
static enum target_state projection_map(void *start, size_t size)
{
    uintptr_t page = os_page_size();
    uintptr_t first = (uintptr_t)start / page * page;
    uintptr_t end;
    if (size > PROJECTION_BYTES) {
        return TARGET_TOO_LARGE;
    }
    if (__builtin_add_overflow((uintptr_t)start, size + page - 1, &end)) {
        return TARGET_SENSELESS;
    }
    size_t length = end / page * page - first;
    if (length > PROJECTION_BYTES - pieces_size) {
        return TARGET_TOO_LARGE;
    }
    void *place = (void *)first; /* an address of the other process's: no object of ours */
    void *mapped = mmap(place, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (mapped == MAP_FAILED) {
        return errno == EEXIST ? TARGET_IN_THE_WAY : TARGET_SENSELESS;
    }
    pieces[piece_count++] = (struct region){mapped, length};
    pieces_size += length;
    return mapped == place ? TARGET_READ : TARGET_IN_THE_WAY;
}

static enum target_state projection_bring(const struct target *target, void *start, size_t size)
{
    if (size == 0) {
        return TARGET_READ;
    }
    enum target_state state = projection_map(start, size);
    return state == TARGET_READ ? target_copy(target, start, start, size) : state;
}

static enum target_state projection_copy(const struct target *target, enum view_object which,
                                         const struct region *own)
{
    const struct region *theirs = &target->view.object[which];
    return theirs->size == own->size ? target_copy(target, own->start, theirs->start, own->size)
                                     : TARGET_OTHER;
}

void projection_mend_plan(struct bucket_plan *plan)
{
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        bucket_label(plan, bucket);
    }
}

/* Returns true if a bucket's slots have a size that slots can have. */
static bool projection_lane_makes_sense(unsigned bucket)
{
    const struct lane *lane = &lanes.lane[bucket];
    size_t page = os_page_size();
    return lane->stride >= page && lane->stride % page == 0 &&
           lane->stride >> LANE_SHIFT <= LANE_NUMBERS;
}

/*
 * Returns true if the range can be as it is said to be. Only limits that never change are compared:
 * of two counts, the process may have raised one between our copies of them. A card may name any
 * bucket, and a walk goes on by that one's pages, of which each must therefore have some.
 */
static bool projection_lanes_make_sense(void)
{
    bool sense = lanes.count <= BUCKET_LIMIT && lane_front() <= LANE_NUMBERS;
    for (unsigned bucket = 0; sense && bucket < lanes.count; bucket++) {
        sense = projection_lane_makes_sense(bucket);
    }
    for (unsigned bucket = 0; sense && bucket < BUCKET_LIMIT; bucket++) {
        size_t pages = bucket < lanes.count ? lanes.lane[bucket].stride >> LANE_SHIFT : 1;
        lanes.lane[bucket].pages = (uint32_t)pages;
    }
    return sense;
}

/* The same of the tables of caches, processors and magazines. */
static bool projection_records_make_sense(void)
{
    struct region magazine = magazine_records_region();
    return cache_count() - 1 <= cache_capacity() && processor_records() <= processor_capacity() &&
           magazine.size <= magazine_capacity() &&
           (uintptr_t)cache_at(1) % _Alignof(struct cache) == 0 &&
           (uintptr_t)processor_at(0) % _Alignof(struct cache) == 0;
}

/*
 * The process is another's, and may have been made to deceive: what the rooms take for granted of
 * their own is looked at here, or mended. Where the pools are off, nothing is behind the objects.
 */
static bool projection_makes_sense(void)
{
    message_end_name();
    projection_mend_plan(&projection_plan);
    return option_set_makes_sense(&options) && (unsigned)pool_kind() < KIND_COUNT &&
           (lanes.count == 0 || (projection_lanes_make_sense() && projection_records_make_sense()));
}

/* The objects that the view names, each over our own. */
static enum target_state projection_bring_objects(const struct target *target,
                                                  const struct region own[VIEW_OBJECTS])
{
    enum target_state state = TARGET_READ;
    for (unsigned which = 0; state == TARGET_READ && which < VIEW_OBJECTS; which++) {
        state = projection_copy(target, (enum view_object)which, &own[which]);
    }
    return state == TARGET_READ && !projection_makes_sense() ? TARGET_SENSELESS : state;
}

/* The states of all pages that were ever carved: what the requests were, no figure says. */
static enum target_state projection_bring_cards(const struct target *target)
{
    return projection_bring(target, (void *)lanes.states, lane_front() * sizeof lanes.states[0]);
}

/*
 * The magazines come last, and with them once more how many there are: each that a cache named when
 * it was copied is among them.
 */
static enum target_state projection_bring_records(const struct target *target,
                                                  const struct region own[VIEW_OBJECTS])
{
    enum target_state state =
        projection_bring(target, cache_at(1), (cache_count() - 1) * sizeof(struct cache));
    if (state == TARGET_READ && processor_records() > 0) {
        state =
            projection_bring(target, processor_at(0), processor_records() * sizeof(struct cache));
    }
    if (state == TARGET_READ) {
        state = projection_copy(target, VIEW_MAGAZINES, &own[VIEW_MAGAZINES]);
    }
    if (state == TARGET_READ && !projection_records_make_sense()) {
        state = TARGET_SENSELESS;
    }
    struct region records = magazine_records_region();
    return state == TARGET_READ ? projection_bring(target, records.start, records.size) : state;
}

/* A public magazine that lies in none of the records is no magazine: its count must not be read. */
static void projection_mend(struct cache *cache)
{
    struct region records = magazine_records_region();
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        uintptr_t magazine = (uintptr_t)atomic_load_explicit(&cache->bin[bucket].public_magazine,
                                                             memory_order_relaxed);
        if (magazine - (uintptr_t)records.start >= records.size || magazine % MAGAZINE_SIZE != 0) {
            atomic_store_explicit(&cache->bin[bucket].public_magazine, NULL, memory_order_relaxed);
        }
    }
}

static void projection_mend_all(void)
{
    for (uint32_t number = 0; number < cache_count(); number++) {
        projection_mend(cache_at(number));
    }
    for (uint32_t number = 0; number < processor_records(); number++) {
        projection_mend(processor_at(number));
    }
}

static enum target_state projection_bring_all(const struct target *target)
{
    struct region own[VIEW_OBJECTS];
    view_list(own, &projection_plan);
    enum target_state state = projection_bring_objects(target, own);
    if (state != TARGET_READ || lanes.count == 0) {
        return state; /* the pools are off: there is nothing behind the objects */
    }
    state = projection_bring_cards(target);
    if (state == TARGET_READ) {
        state = projection_bring_records(target, own);
    }
    if (state == TARGET_READ) {
        projection_mend_all();
    }
    return state;
}

enum target_state projection_take(struct target *target, struct snapshot *snapshot)
{
    enum target_state state = target_renew(target);
    if (state == TARGET_READ) {
        state = projection_bring_all(target);
    }
    if (state == TARGET_READ && !projection_ask_pages_of(target->process)) {
        state = TARGET_GONE;
    }
    if (state == TARGET_READ) {
        snapshot_take(snapshot);
        snapshot->process = target->process;
    }
    projection_release();
    /* All of it came from one process only if that has its number to the end. */
    return state != TARGET_READ || target_is_same(target) ? state : TARGET_GONE;
}
