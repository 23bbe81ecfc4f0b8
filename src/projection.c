/* Another process's state, copied over this one's own, so that the rooms speak of that process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "projection.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cache.h"
#include "formats.h"
#include "huge.h"
#include "lane.h"
#include "magazine.h"
#include "os.h"
#include "pool.h"
#include "processor.h"

struct bucket_plan projection_plan;

/* What is mapped here in the place where the process has it: cards, caches, magazines. */
enum { PIECES_MAX = BUCKET_LIMIT + 3 };
static struct region pieces[PIECES_MAX];
static unsigned piece_count;

static void projection_release(void)
{
    while (piece_count > 0) {
        piece_count--;
        munmap(pieces[piece_count].start, pieces[piece_count].size);
    }
}

/* Memory in a place that the process's pointers name: whole pages around the piece. */
static enum target_state projection_map(void *start, size_t size)
{
    uintptr_t page = os_page_size();
    uintptr_t first = (uintptr_t)start / page * page;
    uintptr_t end;
    if (__builtin_add_overflow((uintptr_t)start, size + page - 1, &end)) {
        return TARGET_SENSELESS;
    }
    size_t length = end / page * page - first;
    void *place = (void *)first; /* an address of the other process's: no object of ours */
    void *mapped = mmap(place, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (mapped == MAP_FAILED) {
        return errno == EEXIST ? TARGET_IN_THE_WAY : TARGET_SENSELESS;
    }
    pieces[piece_count++] = (struct region){mapped, length};
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

/*
 * The process is another's, and may have been made to deceive: what the rooms take for granted of
 * their own is looked at here.
 */
bool projection_options_make_sense(void)
{
    options.path[sizeof options.path - 1] = '\0';
    return options.number[OPTION_STATS] < sizeof options.path &&
           options.number[OPTION_PROFILE] < sizeof options.path &&
           options.number[OPTION_POOL] < KIND_COUNT && options.number[OPTION_THP] < HUGE_COUNT &&
           options.number[OPTION_FORMAT] < FORMAT_COUNT;
}

static bool projection_makes_sense(void)
{
    bool sense = projection_options_make_sense() && lanes.count <= BUCKET_LIMIT &&
                 (unsigned)pool_kind() < KIND_COUNT;
    for (unsigned bucket = 0; sense && bucket < lanes.count; bucket++) {
        projection_plan.label[bucket][BUCKET_LABEL_SIZE - 1] = '\0';
        sense = lanes.lane[bucket].stride >= os_page_size();
    }
    return sense;
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

static enum target_state projection_bring_cards(const struct target *target)
{
    enum target_state state = TARGET_READ;
    for (unsigned bucket = 0; state == TARGET_READ && bucket < lanes.count; bucket++) {
        state = projection_bring(target, lanes.lane[bucket].cards,
                                 lane_carved(bucket) * sizeof(struct card));
    }
    return state;
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
    if (state != TARGET_READ || lanes.length == 0) {
        return state; /* the pools are off: there is nothing behind the objects */
    }
    state = projection_bring_cards(target);
    return state == TARGET_READ ? projection_bring_records(target, own) : state;
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
        projection_mend_all();
        snapshot_take(snapshot);
        snapshot->process = target->process;
    }
    projection_release();
    return state;
}
