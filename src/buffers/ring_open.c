/* Creates a ring in shared memory, attaches to a ring that another process has created, and closes a ring. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stddef.h>

#include "base/bounds.h"
#include "buffers/buffer_memory.h"
#include "buffers/ring_memory.h"
#include "os/os_process.h"

/* The lower seven bytes are the text "ockring"; "sockring" would need eight. The highest byte is the version of the
 * layout, which changes when the layout does. */
#define RING_MAGIC UINT64_C(0x01676e69726b636f)

enum { CHUNK_SIZE_MAX = 1 << 30 };

static const struct sockmalloc_ring_options defaults = {.size = sizeof defaults,
                                                        .chunk_size = SOCKMALLOC_RING_ALIGNMENT};

static void *refuse(int error)
{
    errno = error;
    return NULL;
}

static bool chunk_size_is_valid(uint64_t size)
{
    return size > 0 && size % SOCKMALLOC_RING_ALIGNMENT == 0 && size <= CHUNK_SIZE_MAX;
}

/* Returns how many bytes of a ring's memory lie in front of its first chunk, if it has `chunks` chunks. */
static size_t ring_front(uint64_t chunks)
{
    size_t size = sizeof(struct ring_header) + chunks * sizeof(struct ring_chunk);
    return (size + SOCKMALLOC_RING_ALIGNMENT - 1) / SOCKMALLOC_RING_ALIGNMENT * SOCKMALLOC_RING_ALIGNMENT;
}

EXPORTED size_t sockmalloc_ring_length(size_t chunk_size, size_t chunks)
{
    if (!chunk_size_is_valid(chunk_size) || chunks == 0 || chunks > SOCKMALLOC_RING_CHUNKS) {
        errno = EINVAL;
        return 0;
    }
    return ring_front(chunks) + chunks * chunk_size;
}

/* Returns the largest number of chunks that fit into `length` bytes of memory, or 0 if none fits. */
static uint32_t ring_fitting(size_t length, size_t chunk_size)
{
    size_t room = EXCESS(length, sizeof(struct ring_header));
    size_t chunks = LESSER(room / (chunk_size + sizeof(struct ring_chunk)), SOCKMALLOC_RING_CHUNKS);
    while (chunks > 0 && ring_front(chunks) + chunks * chunk_size > length) {
        chunks--; /* with this many chunks, the padding in front of the first chunk leaves no space for the last one */
    }
    return (uint32_t)chunks;
}

static bool memory_is_valid(const void *memory, size_t length)
{
    return memory != NULL && (uintptr_t)memory % SOCKMALLOC_RING_ALIGNMENT == 0 &&
           length >= sizeof(struct ring_header) && length <= UINTPTR_MAX - (uintptr_t)memory;
}

/* The rings that this process has created or attached to, for `sockmalloc stat`. */
static _Atomic(struct sockmalloc_ring *) shown[RING_SHOWN];

COLD struct span ring_table_span(void)
{
    return (struct span){shown, sizeof shown};
}

/* Adds the ring `new` to the table of shown rings if `old` is NULL, and removes the ring `old` if `new` is NULL. Does
 * nothing if the table has no space for `new`, or does not contain `old`. */
static void ring_show(struct sockmalloc_ring *old, struct sockmalloc_ring *new)
{
    for (unsigned i = 0; i < RING_SHOWN; i++) {
        struct sockmalloc_ring *seen = old;
        if (atomic_compare_exchange_strong_explicit(&shown[i], &seen, new, memory_order_release,
                                                    memory_order_relaxed)) {
            return;
        }
    }
}

/* Returns true if the caller's options have the member `name`. Programs that were compiled before that member existed
 * pass a smaller size. */
static bool options_have_name(const struct sockmalloc_ring_options *options)
{
    return options->size == sizeof *options;
}

static bool options_are_valid(const struct sockmalloc_ring_options *options)
{
    bool has_name = options_have_name(options);
    return (has_name || options->size == offsetof(struct sockmalloc_ring_options, name)) &&
           options->holder <= SOCKMALLOC_RING_HOLDERS && (!has_name || buffer_name_fits(options->name));
}

/* Makes the part of a ring that lies in this process's own memory. The sizes and options must be valid. Returns NULL
 * with errno ENOMEM if there is no memory. */
static struct sockmalloc_ring *ring_open(struct ring_header *header, size_t chunk_size, size_t chunks,
                                         const struct sockmalloc_ring_options *options)
{
    struct sockmalloc_ring *ring = (struct sockmalloc_ring *)buffer_map(sizeof *ring, CACHE_LINE);
    if (ring == NULL) {
        return refuse(ENOMEM);
    }
    *ring = (struct sockmalloc_ring){
        .header = header,
        .states = (struct ring_chunk *)(header + 1),
        .memory = (char *)header + ring_front(chunks),
        .chunk_size = (uint32_t)chunk_size,
        .chunks = (uint32_t)chunks,
        .holder = options->holder != 0 ? options->holder : (uint32_t)os_process(),
    };
    buffer_name_copy(ring->name, options_have_name(options) ? options->name : NULL);
    ring_show(NULL, ring);
    return ring;
}

/* Writes the data of a new ring to the shared memory. Laps, which are the rounds through the ring's memory, are counted
 * from 1. */
static void ring_lay(struct sockmalloc_ring *ring)
{
    struct ring_header *header = ring->header;
    atomic_store_explicit(&header->magic, 0, memory_order_relaxed);
    atomic_store_explicit(&header->chunk_size, ring->chunk_size, memory_order_relaxed);
    atomic_store_explicit(&header->chunks, ring->chunks, memory_order_relaxed);
    atomic_store_explicit(&header->head, ring_position(1, 0), memory_order_relaxed);
    atomic_store_explicit(&header->marker, ring_position(1, 0), memory_order_relaxed);
    atomic_store_explicit(&header->waiting, 0, memory_order_relaxed);
    for (unsigned type = 0; type < SOCKMALLOC_RING_TYPES; type++) {
        header->types[type] = (struct ring_type){0};
    }
    for (uint32_t chunk = 0; chunk < ring->chunks; chunk++) {
        atomic_store_explicit(&ring->states[chunk].state, 0, memory_order_relaxed);
    }
    /* release: a process that reads this magic number in sockmalloc_ring_attach sees all that was written above */
    atomic_store_explicit(&header->magic, RING_MAGIC, memory_order_release);
}

EXPORTED struct sockmalloc_ring *sockmalloc_ring_create(void *memory, size_t length,
                                                        const struct sockmalloc_ring_options *options)
{
    const struct sockmalloc_ring_options *chosen = options != NULL ? options : &defaults;
    if (!memory_is_valid(memory, length) || !options_are_valid(chosen) || !chunk_size_is_valid(chosen->chunk_size)) {
        return refuse(EINVAL);
    }
    uint32_t chunks = ring_fitting(length, chosen->chunk_size);
    if (chunks == 0) {
        return refuse(EINVAL);
    }
    struct sockmalloc_ring *ring = ring_open(memory, chosen->chunk_size, chunks, chosen);
    if (ring != NULL) {
        ring_lay(ring);
    }
    return ring;
}

/* Returns true if the memory begins with the header of a valid ring. Stores the ring's sizes. Each of them is read only
 * once, because another process could change it after the check. */
static bool ring_read_header(struct ring_header *header, size_t length, uint64_t *chunk_size, uint64_t *chunks)
{
    bool known = atomic_load_explicit(&header->magic, memory_order_acquire) == RING_MAGIC;
    *chunk_size = atomic_load_explicit(&header->chunk_size, memory_order_relaxed);
    *chunks = atomic_load_explicit(&header->chunks, memory_order_relaxed);
    return known && chunk_size_is_valid(*chunk_size) && *chunks > 0 && *chunks <= SOCKMALLOC_RING_CHUNKS &&
           ring_front(*chunks) + *chunks * *chunk_size <= length;
}

EXPORTED struct sockmalloc_ring *sockmalloc_ring_attach(void *memory, size_t length,
                                                        const struct sockmalloc_ring_options *options)
{
    const struct sockmalloc_ring_options *chosen = options != NULL ? options : &defaults;
    uint64_t chunk_size;
    uint64_t chunks;
    if (!memory_is_valid(memory, length) || !options_are_valid(chosen) ||
        !ring_read_header(memory, length, &chunk_size, &chunks)) {
        return refuse(EINVAL);
    }
    return ring_open(memory, chunk_size, chunks, chosen);
}

/* Returns true if this process is the holder of a message in use. */
static bool ring_holds_any(const struct sockmalloc_ring *ring)
{
    for (uint32_t chunk = 0; chunk < ring->chunks; chunk++) {
        uint64_t state = atomic_load_explicit(&ring->states[chunk].state, memory_order_relaxed);
        if (ring_is_in_use(state) && ring_state_holder(state) == ring->holder) {
            return true;
        }
    }
    return false;
}

EXPORTED int sockmalloc_ring_close(struct sockmalloc_ring *ring)
{
    if (ring == NULL || ring_holds_any(ring)) {
        errno = ring == NULL ? EINVAL : EBUSY;
        return -1;
    }
    ring_show(ring, NULL);
    buffer_unmap((char *)ring, sizeof *ring);
    return 0;
}
