/* The region: one range of addresses that all slots lie in, and the metadata of its pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REGION_H
#define SOCKMALLOC_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/colour.h"
#include "base/span.h"
#include "base/stack.h"
#include "memory/bucket.h"
#include "memory/slot_meta.h"
#include "memory/table.h"

/*
 * The front of the range is the page up to which slots were carved. Each bucket carves new slots at the front when it
 * needs them, several side by side at once (a run), so the runs of all buckets lie mixed. A slot's number is the number
 * of its first page, counted from the start of the range. The number is the index of the slot's metadata. One
 * subtraction and one shift compute a slot's number from its address, in the same way for every bucket. A page in this
 * file is a granule of 4 KiB on every machine.
 */
enum {
    REGION_SHIFT = BUCKET_GRANULE_SHIFT,
    REGION_NUMBERS = STACK_NUMBERS /* the number of pages of the longest range: 64 GiB less one page */
};

/* The sizes of each bucket's slots. Start-up writes them, and nothing changes them afterwards. */
struct bucket_geometry {
    size_t stride;   /* bytes from the start of one slot to the start of the next of its run */
    size_t capacity; /* bytes of the largest request that a slot can hold */
    uint32_t pages;  /* the stride in pages of 4 KiB */
};

/*
 * The part of the region that the fast paths read. Start-up writes it and, as its last step, makes it read-only, so
 * nothing changes it afterwards.
 */
struct region {
    _Alignas(FROZEN_PAGE) char colour[COLOUR_REGIONS];
    char *start;                 /* start of the range; NULL until region_lay */
    slot_state_byte *states;     /* the state byte of each page of the range, as far as the range is usable */
    slot_request_word *requests; /* the request word of each page */
    /*
     * the links by which free slots are chained on stacks, one for each 2^link_shift pages; only slow paths read them
     */
    stack_link *links;
    /*
     * the starts of any two slots are at least 2^link_shift pages apart, so groups of 2^link_shift pages share one link
     */
    unsigned link_shift;
    unsigned buckets; /* the number of buckets; 0 until region_lay */
    struct bucket_geometry geometry[BUCKET_LIMIT];
};

/*
 * The part of the region that changes. An address lies in the range if its distance from the start of the range is less
 * than `slots.ready`. Until region_lay has run, `slots.ready` is 0, so no address lies in the range and every call goes
 * to mimalloc. So no call has to check if the library has started.
 */
struct region_growth {
    _Alignas(CACHE_LINE) struct table slots;
    _Alignas(CACHE_LINE) _Atomic uint32_t front; /* the first page that was never carved into a slot */
    _Atomic uint32_t carved[BUCKET_LIMIT];       /* how many slots each bucket has, live or free */
};

extern INTERNAL struct region region;
extern INTERNAL struct region_growth region_growth;

/*
 * Returns the distance in bytes of an address from the start of the range. For an address in front of the range, the
 * subtraction wraps around, and the result is larger than any range.
 */
FAST_PATH size_t region_offset(const void *address)
{
    return (uintptr_t)address - (uintptr_t)region.start;
}

/* Returns true if an offset lies in the range. A relaxed load is enough: when a program passes an address from one
 * thread to another, the second thread also sees how far the range has grown before. */
FAST_PATH bool region_covers(size_t offset)
{
    return offset < atomic_load_explicit(&region_growth.slots.ready, memory_order_relaxed);
}

/* Returns true if an address lies in the range. Price: a subtraction and a comparison. */
FAST_PATH bool region_owns(const void *address)
{
    return region_covers(region_offset(address));
}

/* Returns the number of the page that an address of the range lies in; for a slot's address, the number of the slot.
 * The result is a 64-bit number, because a conversion to 32 bits would cost a fast path one instruction. */
FAST_PATH size_t region_page(const void *address)
{
    return region_offset(address) >> REGION_SHIFT;
}

/*
 * Returns the number of the page that an address of the range lies in, as a 32-bit number, which holds every page
 * number.
 */
static inline uint32_t region_number(const void *address)
{
    return (uint32_t)region_page(address);
}

/* Returns true if an offset is a multiple of a page of 4 KiB. */
FAST_PATH bool region_is_exact(size_t offset)
{
    return (offset & (((size_t)1 << REGION_SHIFT) - 1)) == 0;
}

/* Returns the address of the page with this number. */
FAST_PATH void *region_slot(size_t number)
{
    return region.start + (number << REGION_SHIFT);
}

/* region_meta returns the state byte of a page, and region_set_meta sets it. */
FAST_PATH uint8_t region_meta(size_t number)
{
    return atomic_load_explicit(&region.states[number], memory_order_relaxed);
}

FAST_PATH void region_set_meta(size_t number, uint8_t meta)
{
    atomic_store_explicit(&region.states[number], meta, memory_order_relaxed);
}

/* region_request_word returns the request word of a slot, and region_set_request_word sets it. */
static inline uint32_t region_request_word(size_t number)
{
    return atomic_load_explicit(&region.requests[number], memory_order_relaxed);
}

FAST_PATH void region_set_request_word(size_t number, uint32_t word)
{
    atomic_store_explicit(&region.requests[number], word, memory_order_relaxed);
}

/* Returns how many bytes were requested when the slot was last allocated or resized. */
static inline size_t region_request(uint32_t number)
{
    return slot_meta_request(region_request_word(number));
}

/* Returns the bucket of a slot. */
static inline unsigned region_bucket(uint32_t number)
{
    return slot_meta_bucket(region_meta(number));
}

/* The slot in which an address of the range lies. */
struct place {
    bool found; /* false if no slot was carved at the address */
    bool exact; /* true if the address is the first byte of the slot */
    unsigned bucket;
    uint32_t number;
};

/*
 * Finds the slot that an address of the range lies in: reads the state bytes backwards from the address to the start of
 * a slot. Only code that may be slow, such as code that prints messages, may call this function, because its time grows
 * with the number of pages of the slot.
 */
INTERNAL struct place region_find(const void *address);

/*
 * Returns the number of the first slot at page `from` or after it, or REGION_END if there is none. Signal handlers may
 * call this function.
 */
#define REGION_END UINT32_MAX
INTERNAL uint32_t region_next(uint32_t from);

/*
 * Returns the number of the next slot after the slot `number`, or REGION_END if there is none. Signal handlers may call
 * this function.
 */
INTERNAL uint32_t region_after(uint32_t number);

/* Returns how many bytes of addresses a range of `size` bytes and its tables take, for reserve_open. */
size_t region_space(size_t size);

/* Maps the first pages of the range and of its tables, and writes `region`. One thread calls this function at start-up.
 * Returns false, with nothing mapped, if the kernel refuses. */
bool region_lay(const struct bucket_plan *plan, size_t size);

/* Advises the kernel to use huge pages for the range, or not to. The library calls this function at start-up, before
 * slots are carved. */
void region_choose_huge(bool wanted);

/* Unmaps what region_lay has mapped. The library calls this function at start-up, if it turns out that the pools cannot
 * work. */
void region_close(void);

/* Returns true if region_lay has succeeded. */
static inline bool region_is_laid(void)
{
    return region.buckets > 0;
}

/*
 * Carves a run of up to `wanted` new slots and stores their addresses in `slots`, the lowest one last, because
 * magazines are popped from that end. Returns how many slots were carved: fewer than `wanted` if the hole or the rest
 * of the range is too short for all, one if memory is short, and none if the range is full or the kernel refuses
 * memory. The pages of a new slot are untouched and read as zero. Any thread may call this function, which takes no
 * lock.
 */
unsigned region_carve(unsigned bucket, unsigned wanted, void **slots);

/* Carves a run of slots as region_carve does. Returns how many slots it has carved, and stores the number of the lowest
 * one. */
unsigned region_carve_run(unsigned bucket, unsigned wanted, uint32_t *first);

/*
 * Unmaps the `pages` pages from page `first` on, all of them pages of free slots that the caller has popped from their
 * stacks, and clears the state bytes of these slots. Returns false, with nothing changed, if another thread is making
 * the range grow or is unmapping addresses, if there are too many holes, or if the kernel refuses.
 */
bool region_return(uint32_t first, uint32_t pages);

/*
 * Clears the state byte of a slot, so that no slot begins at its page any more, and lowers the count of its bucket's
 * slots.
 */
void region_forget(uint32_t number);

/* Returns how many slots the bucket has, live or free. */
uint32_t region_carved(unsigned bucket);

/*
 * Adds to `live` the number of live slots of each bucket. Signal handlers may call this function. Price: it reads a
 * byte for each page that was ever carved.
 */
void region_count_live(uint32_t live[BUCKET_LIMIT]);

/* Returns the number of the first page that was never carved into a slot. All slots lie before this page. */
uint32_t region_front(void);

/*
 * Returns true if the range has no space for another slot of the largest bucket, or if something else is mapped where
 * the range would grow. In both cases a failure to carve a slot does not mean that memory is short.
 */
bool region_is_full(void);

/*
 * Returns true if less than half of the addresses that the range may ever have are carved into slots. If it returns
 * false, the library uses addresses sparingly.
 */
bool region_has_room(void);

/* Returns how many bytes of the range, from its start on, are usable. */
size_t region_ready(void);

/*
 * region_hold keeps all threads from making the range and its tables grow, and region_release ends that. A table that
 * region_hold cannot hold within two seconds can still grow. The thread that forks calls region_hold before the fork.
 * After the fork, the parent calls region_release, and so does the child, before all else.
 */
void region_hold(void);
void region_release(void);

/*
 * Corrects the counts and tables of the region. This function runs in the child of a fork of a process with several
 * threads, because one of them may have been carving slots or unmapping addresses at the fork.
 */
void region_after_fork(void);

/*
 * Returns where `region_growth` lies and how large it is. `sockmalloc stat` overwrites its own `region_growth` with
 * that of another process.
 */
struct span region_growth_span(void);

#endif
