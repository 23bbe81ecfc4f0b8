/* The lanes: the range that all slots lie in, from its front on, and the metadata of its pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/lane.h"

#include "base/colour.h"
#include "memory/hole.h"
#include "os/os.h"
#include "base/probe.h"
#include "memory/reserve.h"

/* Bytes that each table grows by at least: those of 16 MiB of slots, so that the tables of a small
 * range never grow. */
enum { SLOTS_STEP = 1 << 20, STATES_STEP = 4 << 10, WORDS_STEP = 16 << 10 };

struct lanes lanes;
struct lane_range lane_range;
static struct table states;
static struct table requests;
static struct table links;

static size_t lane_pages(size_t size)
{
    return size >> LANE_SHIFT;
}

/* Bytes of a table with an element of `width` bytes for each of so many pages. */
static size_t lane_table_size(size_t pages, size_t width, size_t colour)
{
    return os_round_to_pages(colour + pages * width);
}

size_t lane_space(size_t size)
{
    size_t pages = lane_pages(size);
    return reserve_space(lane_table_size(pages, sizeof(card_state_byte), COLOUR_STATES)) +
           reserve_space(lane_table_size(pages, sizeof(card_request_word), COLOUR_REQUESTS)) +
           reserve_space(lane_table_size(pages, sizeof(stack_link), 0)) + reserve_space(size);
}

/* Links that the slots in so many pages have. */
static size_t lane_links(size_t pages)
{
    return (pages >> lanes.link_shift) + 1;
}

static bool lane_open_table(struct table *table, size_t size, size_t step, const char *name)
{
    if (!table_open(table, reserve_cut(size), size, step)) {
        return false;
    }
    os_name(table->start, os_page_size(), name); /* what it grows by inherits the name */
    return true;
}

static bool lane_open_tables(size_t size)
{
    size_t pages = lane_pages(size);
    return lane_open_table(&states, lane_table_size(pages, sizeof(card_state_byte), COLOUR_STATES),
                           STATES_STEP, "sockmalloc:states") &&
           lane_open_table(&requests,
                           lane_table_size(pages, sizeof(card_request_word), COLOUR_REQUESTS),
                           WORDS_STEP, "sockmalloc:requests") &&
           lane_open_table(&links, lane_table_size(pages, sizeof(stack_link), 0), WORDS_STEP,
                           "sockmalloc:links") &&
           lane_open_table(&lane_range.slots, size, SLOTS_STEP, "sockmalloc:slots");
}

/* Two slots lie as many pages apart as the shorter one has, and the first bucket's are the
 * shortest: so links of fewer pages are written to, which a process that has just forked would have
 * copied. */
static unsigned lane_link_shift(const struct bucket_plan *plan)
{
    unsigned shift = 0;
    while (lane_pages(plan->stride[0]) >> (shift + 1) > 0) {
        shift++;
    }
    return shift;
}

bool lane_lay(const struct bucket_plan *plan, size_t size)
{
    if (!lane_open_tables(size)) {
        lane_close();
        return false;
    }
    lanes.start = lane_range.slots.start;
    lanes.states = (card_state_byte *)(void *)(states.start + COLOUR_STATES);
    lanes.requests = (card_request_word *)(void *)(requests.start + COLOUR_REQUESTS);
    lanes.links = (stack_link *)(void *)(links.start);
    lanes.link_shift = lane_link_shift(plan);
    for (unsigned bucket = 0; bucket < plan->count; bucket++) {
        lanes.lane[bucket] = (struct lane){.stride = plan->stride[bucket],
                                           .capacity = plan->capacity[bucket],
                                           .pages = (uint32_t)lane_pages(plan->stride[bucket])};
    }
    /* The first page holds the mapping that grows, so that whatever is given back has one before
     * it. */
    uint32_t first = (uint32_t)lane_pages(os_page_size());
    atomic_store_explicit(&lane_range.front, first, memory_order_relaxed);
    lanes.count = plan->count;
    return true;
}

void lane_close(void)
{
    table_close(&states);
    table_close(&requests);
    table_close(&links);
    table_close(&lane_range.slots);
    lanes.count = 0;
}

void lane_choose_huge(bool wanted)
{
    os_choose_huge(lanes.start, os_page_size(), wanted);
}

/*
 * Makes `size` bytes of the range usable, their metadata first: whatever address of the range is
 * freed, its card must be there to be read. So the range is made to grow to there and no further,
 * where a step of its own might take it beyond the cards.
 */
static bool lane_grow(size_t size)
{
    size_t pages = lane_pages(size);
    return table_reach(&states, COLOUR_STATES + pages * sizeof(card_state_byte)) &&
           table_reach(&requests, COLOUR_REQUESTS + pages * sizeof(card_request_word)) &&
           table_reach(&links, lane_links(pages) * sizeof(stack_link)) &&
           table_grow_to(&lane_range.slots, size);
}

/* Makes the range usable up to page `end`, and a page behind it, which is the one that the range
 * grows from, whatever is given back. */
static bool lane_reach(uint32_t end)
{
    size_t size = ((size_t)end << LANE_SHIFT) + os_page_size();
    if (size <= lane_ready()) {
        return true;
    }
    size_t goal = table_goal(&lane_range.slots, size);
    return lane_grow(goal) || (size < goal && lane_grow(size));
}

/* How many slots can be had from page `front` on: the whole run, or one where memory is that
 * short. */
static uint32_t lane_run(uint32_t front, uint32_t pages, unsigned wanted)
{
    uint32_t left = (uint32_t)lane_pages(lane_range.slots.limit - os_page_size()) - front;
    uint32_t run = wanted < left / pages ? wanted : left / pages;
    if (run == 0 || lane_reach(front + run * pages)) {
        return run;
    }
    return lane_reach(front + pages) ? 1 : 0;
}

static uint32_t lane_carve_front(uint32_t pages, unsigned wanted, uint32_t *first)
{
    uint32_t front = atomic_load_explicit(&lane_range.front, memory_order_relaxed);
    uint32_t run;
    do {
        run = lane_run(front, pages, wanted);
        if (run == 0) {
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&lane_range.front, &front, front + run * pages,
                                                    memory_order_relaxed, memory_order_relaxed));
    *first = front;
    return run;
}

unsigned lane_carve_run(unsigned bucket, unsigned wanted, uint32_t *first)
{
    uint32_t pages = lanes.lane[bucket].pages;
    uint32_t run = hole_fill(lanes.start, pages, wanted, first);
    run = run > 0 ? run : lane_carve_front(pages, wanted, first);
    for (uint32_t i = 0; i < run; i++) {
        lane_set_card(*first + i * pages, card_of(CARD_NEVER_USED, bucket));
    }
    if (run > 0) {
        atomic_fetch_add_explicit(&lane_range.carved[bucket], run, memory_order_relaxed);
        probe_carve(bucket, run);
    }
    return run;
}

unsigned lane_carve(unsigned bucket, unsigned wanted, void **slots)
{
    uint32_t first;
    unsigned run = lane_carve_run(bucket, wanted, &first);
    for (unsigned i = 0; i < run; i++) {
        slots[i] = lane_slot(first + (run - 1 - i) * lanes.lane[bucket].pages);
    }
    return run;
}

void lane_forget(uint32_t number)
{
    atomic_fetch_sub_explicit(&lane_range.carved[lane_bucket(number)], 1, memory_order_relaxed);
    lane_set_card(number, 0);
}

/* The pages of a run will be no bucket's. */
static void lane_forget_run(uint32_t first, uint32_t pages)
{
    for (uint32_t number = first; number < first + pages; number++) {
        if (card_is_slot(lane_card(number))) {
            lane_forget(number);
        }
    }
}

/* Returns true if the byte before the page is of a mapping of ours: of the range's first page, or
 * of a slot that stays. Where holes were forgotten it is not. */
static bool lane_is_backed(uint32_t first)
{
    const char *before = (const char *)lane_slot(first) - 1;
    return lane_number(before) < lane_pages(os_page_size()) || lane_find(before).found;
}

bool lane_return(uint32_t first, uint32_t pages)
{
    if (!table_try_hold(&lane_range.slots)) {
        return false;
    }
    bool opened = hole_open(lanes.start, first, pages, lane_is_backed(first));
    table_release(&lane_range.slots);
    if (opened) {
        lane_forget_run(first, pages);
        hole_close(first, pages); /* last: what is claimed again gets cards anew */
    }
    return opened;
}

uint32_t lane_carved(unsigned bucket)
{
    return atomic_load_explicit(&lane_range.carved[bucket], memory_order_relaxed);
}

uint32_t lane_front(void)
{
    return atomic_load_explicit(&lane_range.front, memory_order_relaxed);
}

bool lane_is_full(void)
{
    size_t left = lane_range.slots.limit - ((size_t)lane_front() << LANE_SHIFT);
    return left < lanes.lane[lanes.count - 1].stride + os_page_size() ||
           atomic_load_explicit(&lane_range.slots.blocked, memory_order_relaxed);
}

size_t lane_ready(void)
{
    return atomic_load_explicit(&lane_range.slots.ready, memory_order_relaxed);
}

uint32_t lane_next(uint32_t from)
{
    uint32_t front = lane_front();
    while (from < front && !card_is_slot(lane_card(from))) {
        from++;
    }
    return from < front ? from : LANE_END;
}

uint32_t lane_after(uint32_t number)
{
    return lane_next(number + lanes.lane[lane_bucket(number)].pages);
}

struct place lane_find(const void *address)
{
    size_t offset = lane_offset(address);
    uint32_t longest = 0;
    for (unsigned bucket = 0; bucket < lanes.count; bucket++) {
        longest = lanes.lane[bucket].pages > longest ? lanes.lane[bucket].pages : longest;
    }
    for (uint32_t page = (uint32_t)(offset >> LANE_SHIFT), looked = 0; looked < longest; looked++) {
        uint8_t card = lane_card(page - looked);
        if (card_is_slot(card)) {
            size_t within = offset - ((size_t)(page - looked) << LANE_SHIFT);
            return (struct place){.found = within < lanes.lane[card_bucket(card)].stride,
                                  .exact = within == 0,
                                  .bucket = card_bucket(card),
                                  .number = page - looked};
        }
        if (page == looked) {
            break;
        }
    }
    return (struct place){.found = false};
}

void lane_count_live(uint32_t live[BUCKET_LIMIT])
{
    uint32_t front = lane_front();
    for (uint32_t number = 0; number < front; number++) {
        uint8_t card = lane_card(number);
        live[card_bucket(card)] += card_state(card) == CARD_LIVE ? 1 : 0;
    }
}

/* A thread may have been between a run's cards and the count of them. */
static void lane_recount(void)
{
    uint32_t counts[BUCKET_LIMIT] = {0};
    for (uint32_t number = lane_next(0); number != LANE_END; number = lane_after(number)) {
        counts[lane_bucket(number)]++;
    }
    for (unsigned bucket = 0; bucket < lanes.count; bucket++) {
        atomic_store_explicit(&lane_range.carved[bucket], counts[bucket], memory_order_relaxed);
    }
}

static struct table *const tables[] = {&states, &requests, &links, &lane_range.slots};
enum { LANE_TABLES = sizeof tables / sizeof tables[0] };
static bool lane_held[LANE_TABLES];

void lane_hold(void)
{
    for (unsigned i = 0; i < LANE_TABLES; i++) {
        lane_held[i] = table_hold(tables[i]);
    }
}

void lane_release(void)
{
    for (unsigned i = 0; i < LANE_TABLES; i++) {
        if (lane_held[i]) {
            lane_held[i] = false; /* first: another thread that forks may hold it at once */
            table_release(tables[i]);
        }
    }
}

void lane_after_fork(void)
{
    table_after_fork(&states);
    table_after_fork(&requests);
    table_after_fork(&links);
    table_after_fork(&lane_range.slots);
    hole_reset();
    lane_recount();
}

struct region lane_range_region(void)
{
    return (struct region){&lane_range, sizeof lane_range};
}
