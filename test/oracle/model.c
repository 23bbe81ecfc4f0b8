/* Checks the properties that a block of memory must have, whichever allocator it comes from. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "model.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>

#include "fault.h"

/* Reads or writes eight bytes of a block at any address. This type is used instead of memcpy, because in this program
 * memcpy would be a function call even for eight bytes. */
typedef uint64_t __attribute__((may_alias, aligned(1))) model_word;

enum { WORD = sizeof(model_word), MOST = _Alignof(max_align_t) };

/* The bytes from `begin` to `end` belong to one live block. For a block of 0 bytes, the extent has one byte, because no
 * other block may have the same address. */
struct extent {
    uintptr_t begin;
    uintptr_t end;
};

static struct extent extents[MODEL_BLOCKS];
static size_t extent_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void model_stop(void)
{
    pthread_mutex_lock(&lock);
}

void model_go_on(void)
{
    pthread_mutex_unlock(&lock);
}

static struct extent extent_of(const struct block *block)
{
    uintptr_t begin = (uintptr_t)block->address;
    return (struct extent){begin, begin + (block->usable > 0 ? block->usable : 1)};
}

/* Returns the index of the first extent, the address range of a live block, that begins at `address` or above. */
static size_t extent_find(uintptr_t address)
{
    size_t low = 0;
    size_t high = extent_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (extents[middle].begin < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void extent_add(const struct block *block)
{
    struct extent new = extent_of(block);
    model_stop();
    size_t at = extent_find(new.begin);
    for (size_t near = at > 0 ? at - 1 : 0; near < extent_count && near <= at; near++) {
        if (extents[near].begin < new.end &&new.begin < extents[near].end) {
            fault_die("the block of %zu bytes (usable %zu) at %p overlaps a live one of %zu bytes at %p",
                      block->request, block->usable, (void *)block->address,
                      (size_t)(extents[near].end - extents[near].begin), (void *)extents[near].begin);
        }
    }
    memmove(extents + at + 1, extents + at, (extent_count - at) * sizeof *extents);
    extents[at] = new;
    extent_count++;
    model_go_on();
}

static void extent_remove(const struct block *block)
{
    model_stop();
    size_t at = extent_find((uintptr_t)block->address);
    extent_count--;
    memmove(extents + at, extents + at + 1, (extent_count - at) * sizeof *extents);
    model_go_on();
}

/* Returns a word of a block's pattern; all words of a block differ. The lowest byte of a word is the first byte in
 * memory, because all machines on which the library runs are little-endian. */
static uint64_t pattern(uint64_t serial, size_t offset)
{
    return serial + offset / WORD * UINT64_C(0x9e3779b97f4a7c15);
}

static unsigned char pattern_byte(uint64_t serial, size_t offset)
{
    return (unsigned char)(pattern(serial, offset) >> offset % WORD * 8);
}

/* Fills a block with its pattern, up to the requested or the usable size. The last word of the pattern may be cut
 * short. */
void model_fill(struct block *block, uint64_t serial, bool to_the_last)
{
    block->serial = serial;
    block->filled = to_the_last ? block->usable : block->request;
    size_t offset = 0;
    for (; offset + WORD <= block->filled; offset += WORD) {
        *(model_word *)(block->address + offset) = pattern(serial, offset);
    }
    for (; offset < block->filled; offset++) {
        block->address[offset] = pattern_byte(serial, offset);
    }
}

void model_compare(const struct block *block, const unsigned char *address, size_t length)
{
    size_t offset = 0;
    while (offset + WORD <= length && *(const model_word *)(address + offset) == pattern(block->serial, offset)) {
        offset += WORD;
    }
    while (offset < length && address[offset] == pattern_byte(block->serial, offset)) {
        offset++;
    }
    if (offset < length) {
        fault_die("byte %zu is 0x%02x and not 0x%02x; written were %zu bytes of a block of %zu "
                  "(usable %zu) from %s at "
                  "%p, which is at %p now",
                  offset, address[offset], pattern_byte(block->serial, offset), block->filled, block->request,
                  block->usable, block->maker, (void *)block->address, (const void *)address);
    }
}

void model_check(const struct block *block)
{
    size_t usable = malloc_usable_size(block->address);
    if (usable != block->usable) {
        fault_die("malloc_usable_size is %zu for a block of %zu from %s at %p; it was %zu before", usable,
                  block->request, block->maker, (void *)block->address, block->usable);
    }
    model_compare(block, block->address, block->filled);
}

size_t model_alignment(size_t request)
{
    size_t alignment = MOST;
    while (alignment > 1 && alignment > request) {
        alignment /= 2;
    }
    return alignment;
}

/* Checks that the block is zero up to its usable size. glibc's calloc clears all of these bytes, and a program may rely
 * on that. */
static void model_demand_zeros(const struct block *block)
{
    size_t offset = 0;
    while (offset + WORD <= block->usable && *(model_word *)(block->address + offset) == 0) {
        offset += WORD;
    }
    while (offset < block->usable && block->address[offset] == 0) {
        offset++;
    }
    if (offset < block->usable) {
        fault_die("byte %zu is 0x%02x and not 0, in a block of %zu (usable %zu) at %p", offset, block->address[offset],
                  block->request, block->usable, (void *)block->address);
    }
}

static void model_demand_aligned(const struct block *block)
{
    if ((uintptr_t)block->address % block->alignment != 0) {
        fault_die("the block of %zu bytes at %p is not aligned to %zu", block->request, (void *)block->address,
                  block->alignment);
    }
}

void model_claim(const struct block *block)
{
    model_demand_aligned(block);
    extent_add(block);
}

void model_release(const struct block *block)
{
    model_compare(block, block->address, block->filled);
    extent_remove(block);
}

void model_take(struct block *block, bool zeroed)
{
    model_demand_aligned(block);
    block->usable = malloc_usable_size(block->address);
    if (block->usable < block->request) {
        fault_die("malloc_usable_size is %zu for a block of %zu at %p", block->usable, block->request,
                  (void *)block->address);
    }
    extent_add(block);
    if (zeroed) {
        model_demand_zeros(block);
    }
}

void model_give(const struct block *block)
{
    model_check(block);
    extent_remove(block);
}

void model_keep(const struct block *block)
{
    extent_add(block);
    model_check(block);
}
