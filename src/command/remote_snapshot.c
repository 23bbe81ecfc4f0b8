/*
 * Copies the tables of another process over this process's own tables. snapshot_take always reads the tables of its own
 * process, and so takes its figures from the copies then.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_snapshot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bounds.h"
#include "cache/cache.h"
#include "cache/magazine.h"
#include "command/remote_snapshot_pages.h"
#include "config/message.h"
#include "config/option.h"
#include "memory/region.h"
#include "memory/table.h"
#include "os/os.h"
#include "percpu/percpu.h"
#include "pool/in_use.h"
#include "pool/pool.h"

struct bucket_plan remote_snapshot_plan;

/*
 * The most pieces of memory that are mapped at the addresses that they have in the other process. A snapshot needs
 * four: metadata, caches, records of processors, and magazines.
 */
enum { PIECES_MAX = 4 };
static struct span pieces[PIECES_MAX];
static unsigned piece_count;
static size_t pieces_size;

static void remote_snapshot_release(void)
{
    while (piece_count > 0) {
        piece_count--;
        munmap(pieces[piece_count].start, pieces[piece_count].size);
    }
    pieces_size = 0;
}

/* Maps memory at the address that an object has in the other process, in whole pages, for a copy of the object. */
static enum remote_process_state remote_snapshot_map(void *start, size_t size)
{
    uintptr_t page = os_page_size();
    uintptr_t first = (uintptr_t)start / page * page;
    uintptr_t end;
    if (size > REMOTE_SNAPSHOT_BYTES) {
        return REMOTE_TOO_LARGE;
    }
    if (__builtin_add_overflow((uintptr_t)start, size + page - 1, &end)) {
        return REMOTE_SENSELESS;
    }
    size_t length = end / page * page - first;
    if (length > REMOTE_SNAPSHOT_BYTES - pieces_size) {
        return REMOTE_TOO_LARGE;
    }
    void *place = (void *)first; /* an address of the other process; this process must have nothing mapped there */
    void *mapped = mmap(place, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (mapped == MAP_FAILED) {
        return errno == EEXIST ? REMOTE_IN_THE_WAY : REMOTE_SENSELESS;
    }
    pieces[piece_count++] = (struct span){mapped, length};
    pieces_size += length;
    return mapped == place ? REMOTE_READ : REMOTE_IN_THE_WAY;
}

static enum remote_process_state remote_snapshot_bring(const struct remote_process *target, void *start, size_t size)
{
    if (size == 0) {
        return REMOTE_READ;
    }
    enum remote_process_state state = remote_snapshot_map(start, size);
    return state == REMOTE_READ ? remote_process_copy(target, start, start, size) : state;
}

static enum remote_process_state remote_snapshot_copy(const struct remote_process *target,
                                                      enum inspect_export_object which, const struct span *own)
{
    const struct span *theirs = &target->view.object[which];
    return theirs->size == own->size ? remote_process_copy(target, own->start, theirs->start, own->size) : REMOTE_OTHER;
}

void remote_snapshot_mend_plan(struct bucket_plan *plan)
{
    plan->count = LESSER(plan->count, (unsigned)BUCKET_LIMIT);
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        bucket_label(plan, bucket);
    }
}

/* Returns true if the slots of a bucket have a size that the library allows. */
static bool remote_snapshot_geometry_makes_sense(unsigned bucket)
{
    const struct bucket_geometry *geometry = &region.geometry[bucket];
    size_t page = os_page_size();
    return geometry->stride >= page && geometry->stride % page == 0 &&
           geometry->stride >> REGION_SHIFT <= REGION_NUMBERS;
}

/*
 * Returns true if the copied values of `region`, the description of the pools' address range, can be true. Compares
 * counts only with constant limits and not with each other, because the process may have raised one count after another
 * was copied. Also sets the number of pages per slot in the description of each bucket, and sets it to 1 in the entries
 * of the array beyond the last bucket. The metadata of a page may be forged and name such an entry, and a walk over the
 * pages then advances by the entry's number of pages per slot, which must not be 0.
 */
static bool remote_snapshot_region_makes_sense(void)
{
    bool sense = region.buckets <= BUCKET_LIMIT && region_front() <= REGION_NUMBERS;
    for (unsigned bucket = 0; sense && bucket < region.buckets; bucket++) {
        sense = remote_snapshot_geometry_makes_sense(bucket);
    }
    for (unsigned bucket = 0; sense && bucket < BUCKET_LIMIT; bucket++) {
        size_t pages = bucket < region.buckets ? region.geometry[bucket].stride >> REGION_SHIFT : 1;
        region.geometry[bucket].pages = (uint32_t)pages;
    }
    return sense;
}

/* Returns true if the copied tables of caches, of processors and of magazines can be true. */
static bool remote_snapshot_records_make_sense(void)
{
    struct span magazine = magazine_records_span();
    return cache_count() - 1 <= cache_capacity() && percpu_records() <= percpu_capacity() &&
           magazine.size <= magazine_capacity() && (uintptr_t)cache_at(1) % _Alignof(struct cache) == 0 &&
           (uintptr_t)percpu_at(0) % _Alignof(struct cache) == 0;
}

/*
 * Checks all values in the copied tables that the library relies on, because the other process may have forged them.
 * Corrects the values that can be corrected. While the pools of the process are off, the region, the caches and the
 * magazines are not checked, because their memory does not exist.
 */
static bool remote_snapshot_makes_sense(void)
{
    message_end_name();
    remote_snapshot_mend_plan(&remote_snapshot_plan);
    return option_set_makes_sense(&options) && (unsigned)pool_kind() < KIND_COUNT &&
           (region.buckets == 0 || (remote_snapshot_region_makes_sense() && remote_snapshot_records_make_sense()));
}

/* Copies each object (a variable or an array) of INSPECT_ROWS from the other process, and checks the copies. Each copy
 * overwrites this process's own object of that name. */
static enum remote_process_state remote_snapshot_bring_objects(const struct remote_process *target,
                                                               const struct span own[INSPECT_OBJECTS])
{
    enum remote_process_state state = REMOTE_READ;
    for (unsigned which = 0; state == REMOTE_READ && which < INSPECT_COPIED; which++) {
        state = remote_snapshot_copy(target, (enum inspect_export_object)which, &own[which]);
    }
    return state == REMOTE_READ && !remote_snapshot_makes_sense() ? REMOTE_SENSELESS : state;
}

/*
 * Copies the states of all pages that were ever carved. Does not copy the sizes of the requests, because no figure of a
 * snapshot is computed from these sizes.
 */
static enum remote_process_state remote_snapshot_bring_metadata(const struct remote_process *target)
{
    return remote_snapshot_bring(target, (void *)region.states, region_front() * sizeof region.states[0]);
}

/*
 * Copies caches, records of processors, and magazines. Copies the magazines last, after their number was read again, so
 * that each magazine to which a copied cache points is among the copies.
 */
static enum remote_process_state remote_snapshot_bring_records(const struct remote_process *target,
                                                               const struct span own[INSPECT_OBJECTS])
{
    enum remote_process_state state =
        remote_snapshot_bring(target, cache_at(1), (cache_count() - 1) * sizeof(struct cache));
    if (state == REMOTE_READ && percpu_records() > 0) {
        state = remote_snapshot_bring(target, percpu_at(0), percpu_records() * sizeof(struct cache));
    }
    if (state == REMOTE_READ) {
        state = remote_snapshot_copy(target, INSPECT_MAGAZINES, &own[INSPECT_MAGAZINES]);
    }
    if (state == REMOTE_READ && !remote_snapshot_records_make_sense()) {
        state = REMOTE_SENSELESS;
    }
    struct span records = magazine_records_span();
    return state == REMOTE_READ ? remote_snapshot_bring(target, records.start, records.size) : state;
}

/*
 * Removes the public magazine from the copy of a cache if the magazine lies in none of the copied tables, because the
 * pointer to it is then not valid here.
 */
static void remote_snapshot_mend(struct cache *cache)
{
    struct span records = magazine_records_span();
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        uintptr_t magazine = (uintptr_t)atomic_load_explicit(&cache->bin[bucket].public_magazine, memory_order_relaxed);
        if (magazine - (uintptr_t)records.start >= records.size || magazine % MAGAZINE_SIZE != 0) {
            atomic_store_explicit(&cache->bin[bucket].public_magazine, NULL, memory_order_relaxed);
        }
    }
}

static void remote_snapshot_mend_all(void)
{
    for (uint32_t number = 0; number < cache_count(); number++) {
        remote_snapshot_mend(cache_at(number));
    }
    for (uint32_t number = 0; number < percpu_records(); number++) {
        remote_snapshot_mend(percpu_at(number));
    }
}

static enum remote_process_state remote_snapshot_bring_all(const struct remote_process *target)
{
    struct span own[INSPECT_OBJECTS];
    inspect_export_list(own, &remote_snapshot_plan);
    enum remote_process_state state = remote_snapshot_bring_objects(target, own);
    if (state != REMOTE_READ || region.buckets == 0) {
        /* if region.buckets is 0, the pools of the process are off, and there are no metadata, caches and magazines */
        return state;
    }
    state = remote_snapshot_bring_metadata(target);
    if (state == REMOTE_READ) {
        state = remote_snapshot_bring_records(target, own);
    }
    if (state == REMOTE_READ) {
        remote_snapshot_mend_all();
    }
    return state;
}

/* Copies the variables and arrays of INSPECT_ROWS from the process, the states of its pages, and the sizes of the
 * requests in its slots. */
static enum remote_process_state remote_snapshot_bring_requests(const struct remote_process *target)
{
    struct span own[INSPECT_OBJECTS];
    inspect_export_list(own, &remote_snapshot_plan);
    enum remote_process_state state = remote_snapshot_bring_objects(target, own);
    if (state != REMOTE_READ || region.buckets == 0) {
        return state;
    }
    state = remote_snapshot_bring_metadata(target);
    return state == REMOTE_READ
               ? remote_snapshot_bring(target, region.requests, region_front() * sizeof region.requests[0])
               : state;
}

enum remote_process_state remote_snapshot_take_sizes(struct remote_process *target, struct remote_sizes *sizes)
{
    memset(sizes, 0, sizeof *sizes);
    enum remote_process_state state = remote_process_renew(target);
    state = state == REMOTE_READ ? remote_snapshot_bring_requests(target) : state;
    if (state == REMOTE_READ && region.buckets > 0) {
        remote_sizes_count(sizes);
    }
    remote_snapshot_release();
    return state != REMOTE_READ || remote_process_is_same(target) ? state : REMOTE_GONE;
}

enum remote_process_state remote_snapshot_take(struct remote_process *target, struct snapshot *snapshot)
{
    enum remote_process_state state = remote_process_renew(target);
    if (state == REMOTE_READ) {
        state = remote_snapshot_bring_all(target);
    }
    if (state == REMOTE_READ && !remote_snapshot_ask_pages_of(target->process)) {
        state = REMOTE_GONE;
    }
    if (state == REMOTE_READ) {
        snapshot_take(snapshot);
        snapshot->process = target->process;
    }
    remote_snapshot_release();
    /*
     * if the process still has its id now, it had the id all the time, so all parts were copied from this one process
     */
    return state != REMOTE_READ || remote_process_is_same(target) ? state : REMOTE_GONE;
}

/*
 * Copies the sizes of the requests of all slots, and the records that say which callers have allocated these slots.
 * Sets the end of the table of records to the end of the copy, because the library reads no record after that end.
 */
static enum remote_process_state remote_snapshot_bring_callers(const struct remote_process *target)
{
    struct span own = in_use_span();
    struct table *records = own.start;
    enum remote_process_state state = remote_snapshot_copy(target, INSPECT_IN_USE, &own);
    in_use_laid = state == REMOTE_READ && records->start != NULL && region.buckets != 0;
    if (!in_use_laid) {
        return state;
    }
    size_t most = IN_USE_FIRST + region_front() * sizeof(struct in_use_record);
    size_t ready = atomic_load_explicit(&records->ready, memory_order_relaxed);
    size_t size = LESSER(ready, most);
    atomic_store_explicit(&records->ready, size, memory_order_relaxed);
    state = (uintptr_t)records->start % _Alignof(struct in_use_record) == 0 ? REMOTE_READ : REMOTE_SENSELESS;
    if (state == REMOTE_READ) {
        state = remote_snapshot_bring(target, (void *)region.requests, region_front() * sizeof region.requests[0]);
    }
    return state == REMOTE_READ ? remote_snapshot_bring(target, records->start, size) : state;
}

enum remote_process_state remote_snapshot_list(struct remote_process *target, struct in_use_list *list)
{
    struct span own[INSPECT_OBJECTS];
    inspect_export_list(own, &remote_snapshot_plan);
    enum remote_process_state state = remote_process_renew(target);
    if (state == REMOTE_READ) {
        state = remote_snapshot_bring_objects(target, own);
    }
    if (state == REMOTE_READ && region.buckets != 0) {
        state = remote_snapshot_bring_metadata(target);
    }
    if (state == REMOTE_READ) {
        state = remote_snapshot_bring_callers(target);
    }
    if (state == REMOTE_READ && in_use_is_kept()) {
        in_use_list_make(list);
    }
    remote_snapshot_release();
    return state != REMOTE_READ || remote_process_is_same(target) ? state : REMOTE_GONE;
}
