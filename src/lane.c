/* The lanes: each bucket's slice of the one reservation, its slots and their cards. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "lane.h"

#include "colour.h"
#include "os.h"
#include "probe.h"
#include "reserve.h"
#include "table.h"
#include "text.h"

/* Bytes that each kind of table grows by at least. Cards and links of 1 MiB of slots are a few
 * pages. */
enum { SLOTS_STEP = 1 << 20, CARDS_STEP = 16 << 10, LINKS_STEP = 16 << 10 };

/* How far each bucket has come. Apart from `lanes`, which is read-only after birth. */
struct lane_growth {
    struct table slots;
    struct table cards;
    struct table links;
    _Alignas(CACHE_LINE) _Atomic uint32_t carved;
};

struct lanes lanes;
static struct lane_growth growth[BUCKET_LIMIT];
static size_t lanes_length; /* becomes lanes.length when the range is published */

/* Slots that fit between two lanes. The division by multiplication is exact while spacing x stride
 * < 2^64. */
static uint32_t lane_slots(size_t stride, unsigned shift)
{
    size_t slots = ((size_t)1 << shift) / stride;
    return slots < STACK_NUMBERS ? (uint32_t)slots : STACK_NUMBERS;
}

/* One card more than slots: the tail of the lane, too short for a slot, has one that is never used.
 */
static size_t cards_size(const struct bucket_plan *plan, unsigned bucket, unsigned shift)
{
    size_t cards = ((size_t)1 << shift) / plan->stride[bucket] + 1;
    return os_round_to_pages(colour_cards(bucket) + cards * sizeof(struct card));
}

static size_t links_size(const struct bucket_plan *plan, unsigned bucket, unsigned shift)
{
    size_t slots = lane_slots(plan->stride[bucket], shift);
    return os_round_to_pages(colour_links(bucket) + slots * sizeof(stack_link));
}

/*
 * An untouchable page between the tables and the slots, and one behind the last slot: no run past
 * the end of a slot, nor before its start, leads into a card, or into what the kernel put behind
 * the lanes.
 */
static size_t lane_guard(void)
{
    return os_page_size();
}

size_t lane_space(const struct bucket_plan *plan, unsigned shift)
{
    size_t space = 2 * lane_guard() + ((size_t)plan->count << shift);
    for (unsigned bucket = 0; bucket < plan->count; bucket++) {
        space += cards_size(plan, bucket, shift) + links_size(plan, bucket, shift);
    }
    return space;
}

static void lane_lay_cards(const struct bucket_plan *plan, unsigned shift)
{
    char *first = NULL;
    size_t total = 0;
    for (unsigned bucket = 0; bucket < plan->count; bucket++) {
        size_t size = cards_size(plan, bucket, shift);
        char *start = reserve_cut(size);
        first = first != NULL ? first : start;
        total += size;
        table_open(&growth[bucket].cards, start, size, CARDS_STEP);
        lanes.lane[bucket].cards = (struct card *)(void *)(start + colour_cards(bucket));
    }
    /*
     * All cards are readable from the start, so that a free of an address whose slot was never
     * carved reads "never used" instead of faulting, with no further test on the fast path. A page
     * that is only read is the kernel's one zero page: it costs nothing, and strict overcommit does
     * not charge it. Should the kernel refuse, such a free ends in a fault in place of a message.
     */
    os_permit_reading(first, total);
}

static void lane_lay_links(const struct bucket_plan *plan, unsigned shift)
{
    for (unsigned bucket = 0; bucket < plan->count; bucket++) {
        size_t size = links_size(plan, bucket, shift);
        char *start = reserve_cut(size);
        table_open(&growth[bucket].links, start, size, LINKS_STEP);
        lanes.lane[bucket].links = (stack_link *)(void *)(start + colour_links(bucket));
    }
}

static void lane_lay_slots(const struct bucket_plan *plan, unsigned shift)
{
    for (unsigned bucket = 0; bucket < plan->count; bucket++) {
        struct lane *lane = &lanes.lane[bucket];
        size_t stride = plan->stride[bucket];
        lane->slots = reserve_cut((size_t)1 << shift);
        lane->inverse = UINT64_MAX / stride + 1;
        lane->stride = stride;
        lane->capacity = plan->capacity[bucket];
        lane->limit = lane_slots(stride, shift);
        table_open(&growth[bucket].slots, lane->slots, (size_t)1 << shift, SLOTS_STEP);
        atomic_store_explicit(&growth[bucket].carved, 0, memory_order_relaxed);
        char name[32];
        struct text text = text_begin(name, sizeof name);
        text_add(&text, "sockmalloc:%s", plan->label[bucket]);
        os_name(lane->slots, (size_t)1 << shift, name);
    }
}

void lane_lay(const struct bucket_plan *plan, unsigned shift)
{
    lane_lay_cards(plan, shift);
    lane_lay_links(plan, shift);
    reserve_cut(lane_guard());
    lane_lay_slots(plan, shift);
    reserve_cut(lane_guard());
    lanes.start = lanes.lane[0].slots;
    lanes.shift = shift;
    lanes.count = plan->count;
    lanes_length = (size_t)plan->count << shift;
}

size_t lane_heap_distance(unsigned shift)
{
    return ((size_t)1 << shift) / 2;
}

/* Whether the range behind the lanes is the program's: its heap begins in the middle, as was
 * wished. */
static bool lane_is_before_heap(void)
{
    char *end = lanes.start + lanes_length + lane_guard();
    return end + lane_heap_distance(lanes.shift) == os_break();
}

void lane_choose_huge(bool wanted)
{
    os_choose_huge(lanes.start, lanes_length, wanted);
}

void lane_publish(void)
{
    lanes.reach = lanes_length + (lane_is_before_heap() ? (size_t)1 << lanes.shift : 0);
    atomic_thread_fence(memory_order_release);
    lanes.length = lanes_length;
}

/* Makes slots, cards and links up to slot `end` usable. */
static bool lane_reach(unsigned bucket, uint32_t end)
{
    struct lane_growth *reached = &growth[bucket];
    return table_reach(&reached->cards, colour_cards(bucket) + end * sizeof(struct card)) &&
           table_reach(&reached->links, colour_links(bucket) + end * sizeof(stack_link)) &&
           table_reach(&reached->slots, end * lanes.lane[bucket].stride);
}

/* How many slots can be had from `carved` on: the whole run, or one where memory is that short. */
static uint32_t lane_run(unsigned bucket, uint32_t carved, unsigned wanted)
{
    uint32_t left = lanes.lane[bucket].limit - carved;
    uint32_t run = wanted < left ? wanted : left;
    if (run == 0 || lane_reach(bucket, carved + run)) {
        return run;
    }
    return lane_reach(bucket, carved + 1) ? 1 : 0;
}

unsigned lane_carve_run(unsigned bucket, unsigned wanted, uint32_t *first)
{
    uint32_t carved = atomic_load_explicit(&growth[bucket].carved, memory_order_relaxed);
    uint32_t run;
    do {
        run = lane_run(bucket, carved, wanted);
        if (run == 0) {
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&growth[bucket].carved, &carved, carved + run,
                                                    memory_order_relaxed, memory_order_relaxed));
    probe_carve(bucket, run);
    *first = carved;
    return run;
}

unsigned lane_carve(unsigned bucket, unsigned wanted, void **slots)
{
    uint32_t first;
    unsigned run = lane_carve_run(bucket, wanted, &first);
    for (unsigned i = 0; i < run; i++) {
        slots[i] = lane_slot(bucket, first + run - 1 - i);
    }
    return run;
}

uint32_t lane_carved(unsigned bucket)
{
    return atomic_load_explicit(&growth[bucket].carved, memory_order_relaxed);
}

uint32_t lane_live(unsigned bucket)
{
    uint32_t carved = lane_carved(bucket);
    uint32_t live = 0;
    for (uint32_t number = 0; number < carved; number++) {
        live += card_state(card_read(&lanes.lane[bucket].cards[number])) == CARD_LIVE ? 1 : 0;
    }
    return live;
}

size_t lane_ready(unsigned bucket)
{
    return atomic_load_explicit(&growth[bucket].slots.ready, memory_order_relaxed);
}

struct region lane_growth_region(void)
{
    return (struct region){growth, sizeof growth};
}
