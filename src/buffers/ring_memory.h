/* Lays out a ring in memory that processes share, and says how positions and states of chunks are stored there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RING_MEMORY_H
#define SOCKMALLOC_RING_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "sockmalloc.h"

/*
 *   struct ring_header | one struct ring_chunk for each chunk | padding to 128 bytes | the chunks
 *
 * The shared memory holds no address. Addresses and sizes are in struct sockmalloc_ring, which is private memory of
 * each process. So a process that writes at random over the shared memory changes no address and no bound of another
 * one. What is read from shared memory after attachment is positions and states of chunks alone, and every one of them
 * is compared with the private bounds before it is used.
 */

/*
 * A position: in the lower half the number of a chunk, and in the upper half the lap, which counts how often the ring
 * was begun anew. If the head and the free marker are at the same chunk, the ring is empty in the same lap, and full in
 * different ones.
 */
static inline uint64_t ring_position(uint32_t lap, uint32_t chunk)
{
    return (uint64_t)lap << 32 | chunk;
}

static inline uint32_t ring_lap(uint64_t position)
{
    return (uint32_t)(position >> 32);
}

static inline uint32_t ring_chunk(uint64_t position)
{
    return (uint32_t)position;
}

/*
 * The state of a message is kept with its first chunk, in one word so that it changes at once: one bit that says if the
 * message is in use, 22 bits with the number of its chunks, 22 bits with its holder, and the lowest 19 bits of the lap.
 * The states of its further chunks mean nothing.
 */
enum {
    RING_CHUNKS_SHIFT = 1,
    RING_HOLDER_SHIFT = 23,
    RING_LAP_SHIFT = 45,
    RING_NUMBER_MASK = (1 << 22) - 1,
    RING_LAP_MASK = (1 << 19) - 1,
};
#define RING_IN_USE UINT64_C(1)

/* Returns the state of a message that is not in use. RING_IN_USE may be added. */
static inline uint64_t ring_state(uint32_t lap, uint32_t holder, uint32_t chunks)
{
    return (uint64_t)lap << RING_LAP_SHIFT | (uint64_t)holder << RING_HOLDER_SHIFT |
           (uint64_t)chunks << RING_CHUNKS_SHIFT;
}

static inline bool ring_is_in_use(uint64_t state)
{
    return (state & RING_IN_USE) != 0;
}

static inline uint32_t ring_state_chunks(uint64_t state)
{
    return (uint32_t)(state >> RING_CHUNKS_SHIFT) & RING_NUMBER_MASK;
}

static inline uint32_t ring_state_holder(uint64_t state)
{
    return (uint32_t)(state >> RING_HOLDER_SHIFT) & RING_NUMBER_MASK;
}

static inline bool ring_state_is_of_lap(uint64_t state, uint32_t lap)
{
    return state >> RING_LAP_SHIFT == (lap & RING_LAP_MASK);
}

/* `request` is the size in bytes, and in the upper 8 bits the type. The producer writes it before the state. */
struct ring_chunk {
    _Atomic uint64_t state;
    _Atomic uint64_t request;
};

enum { RING_TYPE_SHIFT = 56 };

/* The producer alone writes the statistics. */
struct ring_type {
    _Atomic uint64_t count;
    _Atomic uint64_t bytes;
    _Atomic uint64_t largest;
};

/*
 * The three parts begin 128 bytes apart, because the first is never written after creation, the second is written by
 * the producer alone, and the third is read by each free. The magic number is written last, at creation.
 */
struct ring_header {
    _Alignas(SOCKMALLOC_RING_ALIGNMENT) _Atomic uint64_t magic;
    _Atomic uint64_t chunk_size;
    _Atomic uint64_t chunks;

    _Alignas(SOCKMALLOC_RING_ALIGNMENT) _Atomic uint64_t head; /* the position of the next allocation */
    _Atomic uint64_t marker; /* the position of the first chunk that is not known to be free */
    struct ring_type types[SOCKMALLOC_RING_TYPES];

    /* the chunk plus one whose free the producer waits for, or 0 */
    _Alignas(SOCKMALLOC_RING_ALIGNMENT) _Atomic uint32_t waiting;
};

/* This process's own part of a ring. Nothing in it changes after creation. */
struct sockmalloc_ring {
    struct ring_header *header;
    struct ring_chunk *states;
    char *memory; /* the first chunk */
    uint32_t chunk_size;
    uint32_t chunks;
    uint32_t holder;
};

/*
 * Stores in *occupied how many chunks lie from the marker to the head. Returns false if the positions cannot be those
 * of the ring, which must not be used then.
 */
static inline bool ring_occupied(const struct sockmalloc_ring *ring, uint64_t marker, uint64_t head, uint32_t *occupied)
{
    uint32_t laps = ring_lap(head) - ring_lap(marker);
    uint64_t count = (uint64_t)laps * ring->chunks + ring_chunk(head) - ring_chunk(marker);
    *occupied = (uint32_t)count;
    return laps <= 1 && ring_chunk(head) < ring->chunks && ring_chunk(marker) < ring->chunks && count <= ring->chunks;
}

#endif
