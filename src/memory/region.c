/*
 * The region, which is the range of addresses in which all slots lie: maps this range and its tables, carves slots at
 * the front of the range, returns addresses to the kernel, and finds slots.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/region.h"

#include "base/bounds.h"
#include "base/colour.h"
#include "base/probe.h"
#include "memory/hole.h"
#include "memory/reserve.h"
#include "os/os.h"

/*
 * The smallest number of bytes by which each table grows. One step of the table of state bytes and of the table of
 * request words is enough for 16 MiB of slots, so the tables of a small range grow only once.
 */
enum { SLOTS_STEP = 1 << 20, STATES_STEP = 4 << 10, WORDS_STEP = 16 << 10 };

FROZEN_OBJECT struct region region;
struct region_growth region_growth;
static struct table states;
static struct table requests;
static struct table links;

/* Returns how many whole pages of 4 KiB lie in `size` bytes, rounded down. */
static size_t region_pages(size_t size)
{
    return size >> REGION_SHIFT;
}

/*
 * Returns the size in bytes of a table that has an element of `width` bytes for each page. The first element lies
 * `colour` bytes after the start of the table.
 */
static size_t region_table_size(size_t pages, size_t width, size_t colour)
{
    return os_round_to_pages(colour + pages * width);
}

COLD size_t region_space(size_t size)
{
    size_t pages = region_pages(size);
    return reserve_space(region_table_size(pages, sizeof(slot_state_byte), COLOUR_STATES)) +
           reserve_space(region_table_size(pages, sizeof(slot_request_word), COLOUR_REQUESTS)) +
           reserve_space(region_table_size(pages, sizeof(stack_link), 0)) + reserve_space(size);
}

/* Returns how many entries the table of links needs for the slots in a number of pages. The link of a free slot names
 * the next slot on its stack. */
static size_t region_links(size_t pages)
{
    return (pages >> region.link_shift) + 1;
}

static bool region_open_table(struct table *table, size_t size, size_t step, const char *name)
{
    if (!table_open(table, reserve_cut(size), size, step)) {
        return false;
    }
    /* sets the name of the table's first page, because pages by which the table grows inherit it */
    os_name(table->start, os_page_size(), name);
    return true;
}

static bool region_open_tables(size_t size)
{
    size_t pages = region_pages(size);
    return region_open_table(&states, region_table_size(pages, sizeof(slot_state_byte), COLOUR_STATES), STATES_STEP,
                             "sockmalloc:states") &&
           region_open_table(&requests, region_table_size(pages, sizeof(slot_request_word), COLOUR_REQUESTS),
                             WORDS_STEP, "sockmalloc:requests") &&
           region_open_table(&links, region_table_size(pages, sizeof(stack_link), 0), WORDS_STEP, "sockmalloc:links") &&
           region_open_table(&region_growth.slots, size, SLOTS_STEP, "sockmalloc:slots");
}

/*
 * Returns the shift that makes the number of a link from the number of a page. The slots of the first bucket are the
 * shortest, so the starts of any two slots are at least as far apart as such a slot is long. So at most one slot begins
 * in 2^shift pages that share a link. The fewer links there are, the fewer pages frees write to; after a fork the
 * kernel would copy each of these pages.
 */
static unsigned region_link_shift(const struct bucket_plan *plan)
{
    unsigned shift = 0;
    while (region_pages(plan->stride[0]) >> (shift + 1) > 0) {
        shift++;
    }
    return shift;
}

COLD bool region_lay(const struct bucket_plan *plan, size_t size)
{
    if (!region_open_tables(size)) {
        region_close();
        return false;
    }
    region.start = region_growth.slots.start;
    region.states = (slot_state_byte *)(void *)(states.start + COLOUR_STATES);
    region.requests = (slot_request_word *)(void *)(requests.start + COLOUR_REQUESTS);
    region.links = (stack_link *)(void *)(links.start);
    region.link_shift = region_link_shift(plan);
    for (unsigned bucket = 0; bucket < plan->count; bucket++) {
        region.geometry[bucket] = (struct bucket_geometry){.stride = plan->stride[bucket],
                                                           .capacity = plan->capacity[bucket],
                                                           .pages = (uint32_t)region_pages(plan->stride[bucket])};
    }
    /* The first page is never part of a slot, and it stays mapped. So even a hole right after it has a mapping before
     * it that can be extended. */
    uint32_t first = (uint32_t)region_pages(os_page_size());
    atomic_store_explicit(&region_growth.front, first, memory_order_relaxed);
    region.buckets = plan->count;
    return true;
}

void region_close(void)
{
    table_close(&states);
    table_close(&requests);
    table_close(&links);
    table_close(&region_growth.slots);
    region.buckets = 0;
}

COLD void region_choose_huge(bool wanted)
{
    os_choose_huge(region.start, os_page_size(), wanted);
}

/*
 * Makes `size` bytes of the range usable. The tables of metadata grow first, because a free of any address in the range
 * reads the metadata of that address. The range grows to exactly `size`, because otherwise it might have pages without
 * metadata.
 */
static bool region_grow(size_t size)
{
    size_t pages = region_pages(size);
    return table_reach(&states, COLOUR_STATES + pages * sizeof(slot_state_byte)) &&
           table_reach(&requests, COLOUR_REQUESTS + pages * sizeof(slot_request_word)) &&
           table_reach(&links, region_links(pages) * sizeof(stack_link)) && table_grow_to(&region_growth.slots, size);
}

/* Makes the pages before page `end` usable, and one page more. The range later grows by an mremap of this last page, so
 * the page must stay mapped. No slot contains the last page, so it is never unmapped with a slot's addresses. */
static bool region_reach(uint32_t end)
{
    size_t size = ((size_t)end << REGION_SHIFT) + os_page_size();
    if (size <= region_ready()) {
        return true;
    }
    size_t goal = table_goal(&region_growth.slots, size);
    return region_grow(goal) || (size < goal && region_grow(size));
}

/*
 * Returns how many slots of `pages` pages can be carved from page `front` on, and makes their pages usable. Usually
 * this number is `wanted`. It is lower at the end of the range, 1 if memory is short, and 0 if the range is full or
 * there is no memory.
 */
static uint32_t region_run(uint32_t front, uint32_t pages, unsigned wanted)
{
    uint32_t left = (uint32_t)region_pages(region_growth.slots.limit - os_page_size()) - front;
    uint32_t run = LESSER(wanted, left / pages);
    if (run == 0 || region_reach(front + run * pages)) {
        return run;
    }
    return region_reach(front + pages) ? 1 : 0;
}

/*
 * Carves slots side by side at the front of the range. Returns how many slots were carved, and stores in `first` the
 * number of the lowest one.
 */
static uint32_t region_carve_front(uint32_t pages, unsigned wanted, uint32_t *first)
{
    uint32_t front = atomic_load_explicit(&region_growth.front, memory_order_relaxed);
    uint32_t run;
    do {
        run = region_run(front, pages, wanted);
        if (run == 0) {
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&region_growth.front, &front, front + run * pages,
                                                    memory_order_relaxed, memory_order_relaxed));
    *first = front;
    return run;
}

unsigned region_carve_run(unsigned bucket, unsigned wanted, uint32_t *first)
{
    uint32_t pages = region.geometry[bucket].pages;
    uint32_t run = hole_fill(region.start, pages, wanted, first);
    run = run > 0 ? run : region_carve_front(pages, wanted, first);
    for (uint32_t i = 0; i < run; i++) {
        region_set_meta(*first + i * pages, slot_meta_of(SLOT_NEVER_USED, bucket));
    }
    if (run > 0) {
        atomic_fetch_add_explicit(&region_growth.carved[bucket], run, memory_order_relaxed);
        probe_carve(bucket, run);
    }
    return run;
}

unsigned region_carve(unsigned bucket, unsigned wanted, void **slots)
{
    uint32_t first;
    unsigned run = region_carve_run(bucket, wanted, &first);
    for (unsigned i = 0; i < run; i++) {
        slots[i] = region_slot(first + (run - 1 - i) * region.geometry[bucket].pages);
    }
    return run;
}

void region_forget(uint32_t number)
{
    atomic_fetch_sub_explicit(&region_growth.carved[region_bucket(number)], 1, memory_order_relaxed);
    region_set_meta(number, 0);
}

/* Clears the state bytes of all slots that begin in these pages. */
static void region_forget_run(uint32_t first, uint32_t pages)
{
    for (uint32_t number = first; number < first + pages; number++) {
        if (slot_meta_begins(region_meta(number))) {
            region_forget(number);
        }
    }
}

/*
 * Returns true if the page before `first` is the first page of the range or a page of a slot, so that it is mapped.
 * Returns false if the page belongs to a hole, even to one that is no longer in the list of holes, because hole_reset
 * has emptied the list in the child of a fork.
 */
static bool region_is_backed(uint32_t first)
{
    const char *before = (const char *)region_slot(first) - 1;
    return region_number(before) < region_pages(os_page_size()) || region_find(before).found;
}

bool region_return(uint32_t first, uint32_t pages)
{
    if (!table_try_hold(&region_growth.slots)) {
        return false;
    }
    bool opened = hole_open(region.start, first, pages, region_is_backed(first));
    table_release(&region_growth.slots);
    if (opened) {
        region_forget_run(first, pages);
        /* hole_close comes last, because afterwards another thread may at once claim the hole and write new metadata */
        hole_close(first, pages);
    }
    return opened;
}

uint32_t region_carved(unsigned bucket)
{
    return atomic_load_explicit(&region_growth.carved[bucket], memory_order_relaxed);
}

uint32_t region_front(void)
{
    return atomic_load_explicit(&region_growth.front, memory_order_relaxed);
}

bool region_is_full(void)
{
    size_t left = region_growth.slots.limit - ((size_t)region_front() << REGION_SHIFT);
    return left < region.geometry[region.buckets - 1].stride + os_page_size() || table_is_blocked(&region_growth.slots);
}

bool region_has_room(void)
{
    return (size_t)region_front() << REGION_SHIFT < region_growth.slots.limit / 2;
}

size_t region_ready(void)
{
    return atomic_load_explicit(&region_growth.slots.ready, memory_order_relaxed);
}

uint32_t region_next(uint32_t from)
{
    uint32_t front = region_front();
    while (from < front && !slot_meta_begins(region_meta(from))) {
        from++;
    }
    return from < front ? from : REGION_END;
}

uint32_t region_after(uint32_t number)
{
    return region_next(number + region.geometry[region_bucket(number)].pages);
}

struct place region_find(const void *address)
{
    size_t offset = region_offset(address);
    uint32_t longest = 0;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        longest = GREATER(region.geometry[bucket].pages, longest);
    }
    for (uint32_t page = (uint32_t)(offset >> REGION_SHIFT), looked = 0; looked < longest; looked++) {
        uint8_t meta = region_meta(page - looked);
        if (slot_meta_begins(meta)) {
            size_t within = offset - ((size_t)(page - looked) << REGION_SHIFT);
            return (struct place){.found = within < region.geometry[slot_meta_bucket(meta)].stride,
                                  .exact = within == 0,
                                  .bucket = slot_meta_bucket(meta),
                                  .number = page - looked};
        }
        if (page == looked) {
            break;
        }
    }
    return (struct place){.found = false};
}

void region_count_live(uint32_t live[BUCKET_LIMIT])
{
    uint32_t front = region_front();
    for (uint32_t number = 0; number < front; number++) {
        uint8_t meta = region_meta(number);
        live[slot_meta_bucket(meta)] += slot_meta_state(meta) == SLOT_LIVE ? 1 : 0;
    }
}

/*
 * Counts in the child of a fork the slots of each bucket anew, by the state bytes, because another thread of the parent
 * may have written the state bytes of new slots, and not yet counted these slots, when the parent forked.
 */
static void region_recount(void)
{
    uint32_t counts[BUCKET_LIMIT] = {0};
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        counts[region_bucket(number)]++;
    }
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        atomic_store_explicit(&region_growth.carved[bucket], counts[bucket], memory_order_relaxed);
    }
}

static struct table *const tables[] = {&states, &requests, &links, &region_growth.slots};
enum { REGION_TABLES = sizeof tables / sizeof tables[0] };
static bool region_held[REGION_TABLES];

void region_hold(void)
{
    for (unsigned i = 0; i < REGION_TABLES; i++) {
        region_held[i] = table_hold(tables[i]);
    }
}

void region_release(void)
{
    for (unsigned i = 0; i < REGION_TABLES; i++) {
        if (region_held[i]) {
            /* set to false before the release, because another thread that forks may hold the table as soon as it is
             * released, and then set this element to true */
            region_held[i] = false;
            table_release(tables[i]);
        }
    }
}

void region_after_fork(void)
{
    table_after_fork(&states);
    table_after_fork(&requests);
    table_after_fork(&links);
    table_after_fork(&region_growth.slots);
    hole_reset();
    region_recount();
}

COLD struct span region_growth_span(void)
{
    return (struct span){&region_growth, sizeof region_growth};
}
