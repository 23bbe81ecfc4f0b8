/* Packed slots: while memory is tight, divides slots into several blocks each. Each block serves a request. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/packed.h"

#include <stdatomic.h>

#include "base/stack.h"
#include "config/message.h"
#include "memory/region.h"
#include "memory/reserve.h"
#include "memory/table.h"
#include "os/os.h"
#include "pool/pool.h"

/*
 * PACKED_STEPS is how many classes, which are sizes of blocks, lie between a power of two and the next. The classes
 * serve requests of more than 2^PACKED_FLOOR_SHIFT and up to 2^PACKED_LARGEST_SHIFT bytes.
 */
enum {
    PACKED_STEPS_SHIFT = 4,
    PACKED_STEPS = 1 << PACKED_STEPS_SHIFT,
    PACKED_LARGEST_SHIFT = 16,
    PACKED_CLASSES = (PACKED_LARGEST_SHIFT - PACKED_FLOOR_SHIFT) * PACKED_STEPS,
    PACKED_GAP = 16, /* at least this many bytes lie unused in front of the last block of a slot */
    /* a slot is divided into blocks: if the slots of some bucket allow it, at most 1/32 of the slot is left over */
    PACKED_WASTE = 32,
    /* if the slots of every bucket would leave more than 1/32, at most 1/16 of the slot may be left over */
    PACKED_WASTE_MOST = 16,
    /*
     * the smallest number of blocks in a slot; to get a slot costs a slow path, which is not worth while for fewer
     * blocks
     */
    PACKED_BLOCKS_LEAST = 4,
    /* the largest number of blocks in a slot; with more, too many would have to be freed before the slot is free */
    PACKED_BLOCKS = 31,
    PACKED_HEADERS = 1 << 20, /* the largest number of packed slots at a time */
    PACKED_TABLE_STEP = 4096, /* the table of headers grows by this number of bytes */
    /* a packed slot's second page has metadata too: in its request word, the bits from this one on are the class, and
     * those below it the number of the header */
    PACKED_CLASS_SHIFT = 24
};

_Static_assert(1 << PACKED_FLOOR_SHIFT <= BUCKET_REQUEST_FLOOR, "every request of the pools has a class");
_Static_assert(PACKED_HEADERS * 4 < STACK_NUMBERS, "packed_push multiplies the number of a header by 4");
_Static_assert(PACKED_HEADERS <= 1 << PACKED_CLASS_SHIFT, "the number of a header fits below the class");

/*
 * A class, which is a size of blocks: the bucket whose slots are divided into such blocks, and how many blocks each
 * slot has. `blocks` is 0 if the slots of no bucket suit the class.
 */
struct packed_class {
    uint8_t bucket;
    uint8_t blocks;
};

/*
 * The header of a packed slot. Bit i of `state` is set while block i is in use. PACKED_LISTED is set while the header
 * lies on the list of its class. It is also set while a thread that has popped the header, or is about to push it,
 * holds the header. A slot that is not full is always listed. The slot is freed as soon as all its blocks are free, and
 * its header stays listed until it is popped. So a thread learns from `state` where the header lies, and whether the
 * thread itself has to push the header or free the slot.
 *
 * If PACKED_LISTED is set and some blocks are in use, the header lies on the list of its class, or a thread holds it.
 * If PACKED_LISTED is set and no block is in use, the same is true, and the slot has been freed. If all blocks are in
 * use, the header lies nowhere, and the first free of a block puts it on the list. If `state` is 0, the header lies on
 * the list of unused headers, or a thread holds it.
 */
struct packed_header {
    _Atomic uint64_t state;
    _Atomic uint32_t slot; /* the number of the slot that belongs to this header */
    stack_link link;
};

#define PACKED_LISTED (UINT64_C(1) << PACKED_BLOCKS)

static struct packed_class classes[PACKED_CLASSES];
/* for each class (a size of blocks), the headers of slots that have a free block */
static LARGE_OBJECT struct stack lists[PACKED_CLASSES];
static struct stack unused; /* the headers that belong to no slot any more */
static struct table headers;
static _Alignas(CACHE_LINE) _Atomic uint32_t opened; /* how many headers have ever been used */

/* A block of a packed slot, as packed_find returns it. */
struct packed_block {
    struct packed_header *header; /* NULL if no block begins at the address */
    unsigned class;
    uint64_t bit; /* the bit of the block in the header's `state` */
};

/* Returns the class of a request of at least PACKED_LEAST and at most 2^PACKED_LARGEST_SHIFT bytes. */
static unsigned packed_class_of(size_t request)
{
    unsigned octave = 63 - (unsigned)__builtin_clzll(request - 1);
    size_t step = (request - 1) >> (octave - PACKED_STEPS_SHIFT);
    return (octave - PACKED_FLOOR_SHIFT) * PACKED_STEPS + ((unsigned)step & (PACKED_STEPS - 1));
}

/* Returns the size of the blocks of a class, a multiple of 16 bytes. */
static size_t packed_block_size(unsigned class)
{
    unsigned octave = class / PACKED_STEPS + PACKED_FLOOR_SHIFT;
    return (size_t)(PACKED_STEPS + class % PACKED_STEPS + 1) << (octave - PACKED_STEPS_SHIFT);
}

/* Returns the `state` of a header if all blocks of its slot are in use. */
static uint64_t packed_full(unsigned class)
{
    return (UINT64_C(1) << classes[class].blocks) - 1;
}

static struct packed_header *packed_header(uint32_t number)
{
    return (struct packed_header *)(void *)headers.start + number;
}

static size_t packed_table_size(void)
{
    return os_round_to_pages(PACKED_HEADERS * sizeof(struct packed_header));
}

COLD size_t packed_space(void)
{
    return reserve_space(packed_table_size());
}

/* Returns how many blocks of `size` bytes a slot of `stride` bytes can have. Returns 0 if the number is below
 * PACKED_BLOCKS_LEAST or above PACKED_BLOCKS, or if more than 1/`waste` of the slot would be left over. */
static unsigned packed_count(size_t stride, size_t size, unsigned waste)
{
    size_t blocks = (stride - PACKED_GAP) / size;
    bool suits = blocks >= PACKED_BLOCKS_LEAST && blocks <= PACKED_BLOCKS && stride - blocks * size <= stride / waste;
    return suits ? (unsigned)blocks : 0;
}

/* Chooses the bucket whose slots are divided into blocks of this class (a size of blocks): the bucket with the smallest
 * slots of which at most 1/PACKED_WASTE is left over, or else at most 1/PACKED_WASTE_MOST. */
static struct packed_class packed_choose(const struct bucket_plan *plan, unsigned class)
{
    size_t size = packed_block_size(class);
    for (unsigned waste = PACKED_WASTE; waste >= PACKED_WASTE_MOST; waste /= 2) {
        for (unsigned bucket = 0; bucket < plan->count; bucket++) {
            unsigned blocks = packed_count(plan->stride[bucket], size, waste);
            if (blocks > 0) {
                return (struct packed_class){.bucket = (uint8_t)bucket, .blocks = (uint8_t)blocks};
            }
        }
    }
    return (struct packed_class){.blocks = 0};
}

COLD bool packed_lay(const struct bucket_plan *plan)
{
    size_t size = packed_table_size();
    for (unsigned class = 0; class < PACKED_CLASSES; class ++) {
        classes[class] = packed_choose(plan, class);
    }
    return table_open(&headers, reserve_cut(size), size, PACKED_TABLE_STEP);
}

void packed_unlay(void)
{
    table_close(&headers);
}

void packed_after_fork(void)
{
    if (pool_is_child_of_threads) {
        table_after_fork(&headers);
        stack_reset(&unused);
        for (unsigned class = 0; class < PACKED_CLASSES; class ++) {
            stack_reset(&lists[class]);
        }
    }
}

/* A stack of base/stack.h finds the link of item i at links[i]. A header is as large as four links, so header number i
 * is the item 4 i, and the array of links begins at the link of header 0. */
static void packed_push(struct stack *stack, uint32_t number)
{
    enum { LINKS = sizeof(struct packed_header) / sizeof(stack_link) };
    stack_push(stack, &packed_header(0)->link, 0, number * LINKS);
}

/* Pops a header from the list and returns its number, or STACK_EMPTY if the list is empty. */
static uint32_t packed_pop(struct stack *stack)
{
    enum { LINKS = sizeof(struct packed_header) / sizeof(stack_link) };
    uint32_t item = stack_pop(stack, &packed_header(0)->link, 0);
    return item == STACK_EMPTY ? STACK_EMPTY : item / LINKS;
}

/* Returns the number of a header that no slot has, or STACK_EMPTY if there is no memory for one. */
static uint32_t packed_open_header(void)
{
    uint32_t number = packed_pop(&unused);
    if (number != STACK_EMPTY) {
        return number;
    }
    number = atomic_load_explicit(&opened, memory_order_relaxed);
    do {
        if (!table_reach(&headers, (number + (size_t)1) * sizeof(struct packed_header))) {
            return STACK_EMPTY;
        }
    } while (!atomic_compare_exchange_weak_explicit(&opened, &number, number + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return number;
}

/* Returns the address of block `index` of a packed slot. */
static void *packed_at(unsigned class, uint32_t slot, unsigned index)
{
    char *end = (char *)region_slot(slot) + region.geometry[classes[class].bucket].stride;
    return end - (index + 1) * packed_block_size(class);
}

/*
 * Allocates a free block of a slot whose header was popped from its list, and puts the header back on the list if the
 * slot still has a free block. Returns NULL if the slot has been freed meanwhile; its header is then unused. Acquire:
 * the last use of the block ends before the next one begins.
 */
static void *packed_take(unsigned class, uint32_t number)
{
    struct packed_header *header = packed_header(number);
    uint64_t state = atomic_load_explicit(&header->state, memory_order_relaxed);
    uint64_t taken;
    uint64_t full = packed_full(class);
    do {
        if (state == PACKED_LISTED) {
            atomic_store_explicit(&header->state, 0, memory_order_relaxed);
            packed_push(&unused, number);
            return NULL;
        }
        taken = state | (state + 1); /* sets the lowest bit that is 0, which is that of a free block */
        taken = (taken & full) == full ? full : taken;
    } while (!atomic_compare_exchange_weak_explicit(&header->state, &state, taken, memory_order_acquire,
                                                    memory_order_relaxed));
    /* the slot cannot be freed any more, because one of its blocks is in use now */
    uint32_t slot = atomic_load_explicit(&header->slot, memory_order_relaxed);
    if (taken != full) {
        packed_push(&lists[class], number);
    }
    return packed_at(class, slot, (unsigned)__builtin_ctzll(~state));
}

/* Allocates a slot of the bucket, which will be divided into blocks. */
static void *packed_alloc_slot(unsigned bucket, size_t request, const void *caller)
{
    void *slot = pool_alloc(bucket_offset_of(bucket), request, NULL);
    return slot != NULL ? slot : pool_alloc_slow(bucket, request, NULL, caller);
}

/* Allocates another slot, divides it into blocks of the class, and returns the first of them. Returns NULL if there is
 * no memory. */
static void *packed_begin(unsigned class, const void *caller)
{
    uint32_t number = packed_open_header();
    if (number == STACK_EMPTY) {
        return NULL;
    }
    void *address = packed_alloc_slot(classes[class].bucket, classes[class].blocks * packed_block_size(class), caller);
    if (address == NULL) {
        packed_push(&unused, number);
        return NULL;
    }
    uint32_t slot = region_number(address);
    atomic_store_explicit(&packed_header(number)->slot, slot, memory_order_relaxed);
    atomic_store_explicit(&packed_header(number)->state, PACKED_LISTED | 1, memory_order_relaxed);
    region_set_request_word(slot + 1, number | (uint32_t) class << PACKED_CLASS_SHIFT);
    region_set_request_word(slot, region_request_word(slot) | SLOT_PACKED);
    packed_push(&lists[class], number);
    return packed_at(class, slot, 0);
}

bool packed_suits(size_t request)
{
    return request >= PACKED_LEAST && request <= (size_t)1 << PACKED_LARGEST_SHIFT &&
           classes[packed_class_of(request)].blocks > 0;
}

/* Returns a block of a slot on the list of the class, or NULL if no slot has a free block. */
static void *packed_alloc_listed(unsigned class)
{
    void *block = NULL;
    uint32_t number = 0;
    while (block == NULL && (number = packed_pop(&lists[class])) != STACK_EMPTY) {
        block = packed_take(class, number);
    }
    return block;
}

void *packed_alloc(size_t request, const void *caller)
{
    unsigned class = packed_class_of(request);
    void *block = packed_alloc_listed(class);
    block = block != NULL ? block : packed_begin(class, caller);
    /* If there is no memory for another slot, a free block of a larger class serves the request, if there is one. */
    for (unsigned larger = 1; block == NULL && larger < PACKED_STEPS && class + larger < PACKED_CLASSES; larger++) {
        block = packed_alloc_listed(class + larger);
    }
    return block;
}

/* Returns the block that begins at `address`, in a packed slot (a slot that several blocks share). The address must lie
 * in the range of the pools. The block's `header` is NULL if no such block begins there. */
static struct packed_block packed_find(const void *address)
{
    const struct packed_block none = {.header = NULL};
    struct place place = region_find(address);
    if (!place.found || slot_meta_state(region_meta(place.number)) != SLOT_LIVE ||
        (region_request_word(place.number) & SLOT_PACKED) == 0) {
        return none;
    }
    uint32_t word = region_request_word(place.number + 1);
    unsigned class = word >> PACKED_CLASS_SHIFT;
    uint32_t number = word & ((1 << PACKED_CLASS_SHIFT) - 1);
    /* checks class and number, because in the child of a fork the slot's two request words may have been copied from
     * the parent at different moments */
    if (class >= PACKED_CLASSES || number >= atomic_load_explicit(&opened, memory_order_relaxed)) {
        return none;
    }
    size_t size = packed_block_size(class);
    const char *end = (const char *)region_slot(place.number) + region.geometry[place.bucket].stride;
    size_t distance = (size_t)(end - (const char *)address);
    struct packed_header *header = packed_header(number);
    if (distance % size != 0 || distance / size > classes[class].blocks ||
        atomic_load_explicit(&header->slot, memory_order_relaxed) != place.number) {
        return none;
    }
    return (struct packed_block){.header = header, .class = class, .bit = UINT64_C(1) << (distance / size - 1)};
}

size_t packed_capacity(const void *address)
{
    struct packed_block block = packed_find(address);
    return block.header != NULL ? packed_block_size(block.class) : 0;
}

size_t packed_size(const char *call, const void *address)
{
    struct packed_block block = packed_find(address);
    if (block.header == NULL) {
        return 0;
    }
    if ((atomic_load_explicit(&block.header->state, memory_order_relaxed) & block.bit) == 0) {
        message_die(MESSAGE_FREED_PACKED, call, address);
    }
    return packed_block_size(block.class);
}

/*
 * Returns what `state` is after a block has been freed, with PACKED_LISTED set. If the slot was full, the caller must
 * now put its header on the list. If all blocks of the slot are free now, the header is on the list already: a slot has
 * at least two blocks, so another block was free before this call, and a slot that is not full is always on the list.
 */
static uint64_t packed_without(uint64_t state, uint64_t bit)
{
    return (state & ~bit) | PACKED_LISTED;
}

bool packed_free(const char *call, void *address)
{
    struct packed_block block = packed_find(address);
    if (block.header == NULL) {
        return false;
    }
    uint32_t number = (uint32_t)(block.header - packed_header(0));
    char *slot = region_slot(atomic_load_explicit(&block.header->slot, memory_order_relaxed));
    uint64_t state = atomic_load_explicit(&block.header->state, memory_order_relaxed);
    do {
        if ((state & block.bit) == 0) {
            message_die(MESSAGE_FREED_PACKED, call, address);
        }
        /* Release: this use of the block ends before the next one begins. Acquire: the uses of all blocks have ended
         * before the slot is freed. */
    } while (!atomic_compare_exchange_weak_explicit(&block.header->state, &state, packed_without(state, block.bit),
                                                    memory_order_acq_rel, memory_order_relaxed));
    if ((state & PACKED_LISTED) == 0) {
        packed_push(&lists[block.class], number);
    } else if (packed_without(state, block.bit) == PACKED_LISTED) {
        pool_free(slot, region_offset(slot));
    }
    return true;
}
