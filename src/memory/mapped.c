/* Mapped blocks: large blocks, each of which is a mapping of its own. They serve requests above the pools' sizes, and
 * large requests for which the pools have no slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/mapped.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "os/os.h"

/*
 * An entry of the table of mapped blocks. `address` is 0 until the entry is first used. While the entry belongs to a
 * live block, `address` is that block's address. The mark MAPPED_BUSY is added to the address while a thread makes or
 * moves the block, and the mark MAPPED_FREED after the block was freed or has moved to another entry. `address` never
 * becomes 0 again, so a search may stop at the first 0.
 */
struct mapped_block {
    _Atomic uintptr_t address;
    _Atomic size_t request; /* the request in bytes; the mapping has this size, rounded up to whole pages */
};

enum {
    MAPPED_FREED = 1, /* the block was freed; another block may use the entry */
    /* one thread owns the entry, because the block is being made or is about to move to another address */
    MAPPED_BUSY = 2,
};

static LARGE_OBJECT struct mapped_block blocks[MAPPED_BLOCKS];

/* How many mapped blocks are live, and how many bytes their mappings have. */
static _Atomic size_t live_blocks;
static _Atomic size_t live_bytes;

/* Adds numbers, which may be negative, to the counts of live blocks and of their bytes. */
static void mapped_add(ptrdiff_t number, ptrdiff_t bytes)
{
    atomic_fetch_add_explicit(&live_blocks, (size_t)number, memory_order_relaxed);
    atomic_fetch_add_explicit(&live_bytes, (size_t)bytes, memory_order_relaxed);
}

/* The start and the size of the range of addresses where no mapped block may lie, because mimalloc uses them. Until
 * mapped_open the range contains all addresses, so that no block can be made. */
static uintptr_t avoided;
static size_t avoided_size = SIZE_MAX;

COLD void mapped_open(uintptr_t start, size_t size)
{
    avoided = start;
    avoided_size = size;
}

/* Returns the entry that is `step` entries after the one at which the search for this address begins. */
static struct mapped_block *mapped_entry(uintptr_t address, size_t step)
{
    enum { PAGE_SHIFT = 12, BITS = 16 };
    _Static_assert(MAPPED_BLOCKS == 1 << BITS, "the hash has as many bits as the table's index");
    uint64_t hash = (uint64_t)(address >> PAGE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15); /* Knuth's multiplier */
    return &blocks[((size_t)(hash >> (64 - BITS)) + step) % MAPPED_BLOCKS];
}

/*
 * Searches the table of mapped blocks from the entry at which the search for `address` begins. Returns the entry that
 * contains `word`, which is the address with or without a mark, or NULL if there is none.
 */
static struct mapped_block *mapped_find(uintptr_t address, uintptr_t word)
{
    for (size_t step = 0; step < MAPPED_BLOCKS; step++) {
        struct mapped_block *entry = mapped_entry(address, step);
        uintptr_t seen = atomic_load_explicit(&entry->address, memory_order_relaxed);
        if (seen == word) {
            return entry;
        }
        if (seen == 0) {
            return NULL;
        }
    }
    return NULL;
}

/* Returns the entry of the live block that begins at the address, or NULL. Does not search for an address that is no
 * multiple of the page size, because such an address may be equal to the word of another entry: a block's address plus
 * MAPPED_FREED or MAPPED_BUSY. */
static struct mapped_block *mapped_live(const void *address)
{
    uintptr_t word = (uintptr_t)address;
    return word % os_page_size() == 0 ? mapped_find(word, word) : NULL;
}

static void mapped_set(struct mapped_block *entry, const void *address, unsigned mark)
{
    atomic_store_explicit(&entry->address, (uintptr_t)address | mark, memory_order_relaxed);
}

/* Reserves an unused entry of the table for a block at this address, and marks it as busy. Returns NULL if the table is
 * full. */
static struct mapped_block *mapped_take(const void *address)
{
    for (size_t step = 0; step < MAPPED_BLOCKS; step++) {
        struct mapped_block *entry = mapped_entry((uintptr_t)address, step);
        uintptr_t seen = atomic_load_explicit(&entry->address, memory_order_relaxed);
        if ((seen == 0 || (seen & MAPPED_FREED) != 0) &&
            atomic_compare_exchange_strong_explicit(&entry->address, &seen, (uintptr_t)address | MAPPED_BUSY,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            return entry;
        }
    }
    return NULL;
}

/* Marks the entry as that of a live block at this address. The stores need no order, because a thread that frees or
 * resizes the block has got its address from the thread that made the block. */
static void mapped_publish(struct mapped_block *entry, const void *address, size_t request)
{
    atomic_store_explicit(&entry->request, request, memory_order_relaxed);
    mapped_set(entry, address, 0);
}

/*
 * Unmaps a range. If the kernel refuses, because unmapping would split a mapping and the process would have too many
 * mappings, the pages of the range are discarded and its addresses stay mapped for good.
 */
static void mapped_unmap(char *start, size_t size)
{
    if (size > 0 && !os_release(start, size)) {
        os_discard(start, size);
    }
}

static bool mapped_is_open(void)
{
    return avoided_size != SIZE_MAX;
}

static bool mapped_is_avoided(const char *start)
{
    return (uintptr_t)start - avoided < avoided_size;
}

/*
 * Checks the start of a new mapping, and returns it. If the mapping lies in the range where no mapped block may lie
 * (mapped_open), unmaps it and returns NULL. Returns NULL if `start` is NULL.
 */
static char *mapped_accept(char *start, size_t size)
{
    if (start != NULL && mapped_is_avoided(start)) {
        mapped_unmap(start, size);
        return NULL;
    }
    return start;
}

/*
 * Maps `size` bytes at a multiple of `alignment`: maps more bytes first, and then unmaps those before and after the
 * aligned part. Returns NULL if the kernel refuses, or if the mapping lies where no mapped block may lie. Sets *refused
 * to true if the kernel refuses, and otherwise to false.
 */
static char *mapped_map(size_t alignment, size_t size, bool *refused)
{
    size_t spare = alignment > os_page_size() ? alignment - os_page_size() : 0;
    char *start = size + spare >= size ? os_map(size + spare) : NULL;
    *refused = start == NULL;
    start = mapped_accept(start, size + spare);
    if (start == NULL || spare == 0) {
        return start;
    }
    size_t before = -(uintptr_t)start & (alignment - 1);
    mapped_unmap(start, before);
    mapped_unmap(start + before + size, spare - before);
    return start + before;
}

/* Returns the size in bytes of the mapping for a request: whole pages. Returns 0 if no mapping can be so large. */
static size_t mapped_size(size_t request)
{
    return request <= PTRDIFF_MAX ? os_round_to_pages(request) : 0;
}

void *mapped_alloc(size_t alignment, size_t request, bool *refused)
{
    size_t size = mapped_size(request);
    *refused = false;
    char *start = mapped_is_open() && size > 0 ? mapped_map(alignment, size, refused) : NULL;
    if (start == NULL) {
        return NULL;
    }
    struct mapped_block *entry = mapped_take(start);
    if (entry == NULL) {
        mapped_unmap(start, size);
        return NULL;
    }
    mapped_publish(entry, start, request);
    mapped_add(1, (ptrdiff_t)size);
    return start;
}

size_t mapped_request(const void *address)
{
    struct mapped_block *entry = mapped_live(address);
    return entry != NULL ? atomic_load_explicit(&entry->request, memory_order_relaxed) : 0;
}

bool mapped_is_freed(const void *address)
{
    uintptr_t word = (uintptr_t)address;
    /* the cast removes const, because os_is_mapped has no const parameter, although os_is_mapped does not write to the
     * page */
    return word % os_page_size() == 0 && mapped_find(word, word | MAPPED_FREED) != NULL && !os_is_mapped((char *)word);
}

bool mapped_free(void *address)
{
    struct mapped_block *entry = mapped_live(address);
    if (entry == NULL) {
        return false;
    }
    size_t size = mapped_size(atomic_load_explicit(&entry->request, memory_order_relaxed));
    /*
     * The entry is marked before the kernel unmaps the addresses, because another thread may get the addresses as soon
     * as they are unmapped.
     */
    uintptr_t word = (uintptr_t)address;
    if (!atomic_compare_exchange_strong_explicit(&entry->address, &word, word | MAPPED_FREED, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        return false;
    }
    mapped_add(-1, -(ptrdiff_t)size);
    mapped_unmap(address, size);
    return true;
}

/*
 * Returns false if the kernel would now place a mapping of this size in the range where no mapped block may lie
 * (mapped_open). To find out, the function maps `size` bytes and unmaps them. Returns true if the kernel refuses to map
 * them: a limit on addresses may forbid this additional mapping, and still allow the block's own mapping to move.
 */
static bool mapped_may_move(size_t size)
{
    char *place = os_find_free(size);
    return place == NULL || !mapped_is_avoided(place);
}

/*
 * Makes a block long enough for a request of `request` bytes, and moves it if it cannot grow in place. `entry` is the
 * block's entry in the table, `start` and `size` are its mapping. Returns the block's address, or NULL, with nothing
 * changed, if the kernel refuses.
 */
static char *mapped_extend(struct mapped_block *entry, char *start, size_t size, size_t request)
{
    size_t wanted = mapped_size(request);
    if (wanted == size || os_grow(start, size, wanted)) {
        mapped_publish(entry, start, request);
        return start;
    }
    if (!mapped_may_move(wanted)) {
        return NULL;
    }
    /*
     * The entry is marked busy before the block moves, because another thread may get the old addresses before os_move
     * returns. A search for these addresses then does not find this entry.
     */
    mapped_set(entry, start, MAPPED_BUSY);
    char *place = os_move(start, size, wanted);
    if (place == NULL) {
        mapped_set(entry, start, 0);
        return NULL;
    }
    /*
     * If the table is full, the moved block keeps its old entry, although a search for the new address begins at
     * another entry. Such a search still finds the old entry: it would stop early only at an entry with the address 0,
     * and a full table has none.
     */
    struct mapped_block *target = mapped_take(place);
    if (target != NULL) {
        mapped_set(entry, start, MAPPED_FREED);
    }
    mapped_publish(target != NULL ? target : entry, place, request);
    return place;
}

void *mapped_resize(void *address, size_t request)
{
    struct mapped_block *entry = mapped_live(address);
    char *start = address;
    size_t size = mapped_size(atomic_load_explicit(&entry->request, memory_order_relaxed));
    size_t wanted = mapped_size(request);
    if (wanted == 0) {
        return NULL;
    }
    if (wanted < size) {
        mapped_unmap(start + wanted, size - wanted);
        mapped_publish(entry, start, request);
    } else {
        start = mapped_extend(entry, start, size, request);
    }
    mapped_add(0, start != NULL ? (ptrdiff_t)(wanted - size) : 0);
    return start;
}

void *mapped_from_slot(void *slot, size_t kept, size_t request)
{
    size_t size = os_round_to_pages(kept);
    size_t wanted = mapped_size(request);
    bool possible = mapped_is_open() && wanted > 0 && mapped_may_move(size) && mapped_may_move(wanted);
    char *place = possible ? os_take_pages(slot, size) : NULL;
    if (place == NULL) {
        return NULL;
    }
    struct mapped_block *entry = mapped_take(place);
    char *block = entry != NULL ? mapped_extend(entry, place, size, request) : NULL;
    if (block == NULL) {
        memcpy(slot, place, size);
        if (entry != NULL) {
            mapped_set(entry, place, MAPPED_FREED);
        }
        mapped_unmap(place, size);
        return NULL;
    }
    mapped_add(1, (ptrdiff_t)wanted);
    return block;
}

struct mapped_sum mapped_count(void)
{
    return (struct mapped_sum){atomic_load_explicit(&live_blocks, memory_order_relaxed),
                               atomic_load_explicit(&live_bytes, memory_order_relaxed)};
}
