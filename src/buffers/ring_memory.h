/*
 * Describes the layout of a ring in the memory that processes share, and how the positions and the states of chunks are
 * stored there.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RING_MEMORY_H
#define SOCKMALLOC_RING_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/span.h"
#include "buffers/buffer_memory.h"
#include "sockmalloc.h"

/*
 *   struct ring_header | one struct ring_chunk for each chunk | padding to 128 bytes | the chunks
 *
 * The shared memory holds no address. Addresses and sizes are in struct sockmalloc_ring, which is private memory of
 * each process. So a process that writes at random over the shared memory changes no address and no bound of another
 * one. After attachment, a process reads only positions and states of chunks from the shared memory, and compares each
 * of them with its private bounds before it uses it.
 */

/*
 * A position has the number of a chunk in its lower half. The upper half is the lap, which is the number of the round
 * through the ring's memory, counted from 1. The ring has two positions: the head, where the next message is allocated,
 * and the free marker, which follows the head over chunks that are known to be free. If both name the same chunk, the
 * ring is empty if their laps are equal, and full if their laps differ.
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
 * The state of a message, which is stored with the message's first chunk. The state is one word, so that all its parts
 * change at once. From the lowest bit on it has: one bit that is 1 if the message is in use; 22 bits with the number of
 * its chunks; 22 bits with its holder, which is the number of the process that frees the message; and the lowest 19
 * bits of the lap. The states that are stored with the other chunks of the message have no meaning.
 */
enum {
    RING_CHUNKS_SHIFT = 1,
    RING_HOLDER_SHIFT = 23,
    RING_LAP_SHIFT = 45,
    RING_NUMBER_MASK = (1 << 22) - 1,
    RING_LAP_MASK = (1 << 19) - 1,
};
#define RING_IN_USE UINT64_C(1)

/* Returns the state of a freed message with these parts. An OR with RING_IN_USE gives the state of a message in use. */
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

/* What is stored for each chunk. `request` is the size of the message in bytes, with its type in the upper 8 bits. The
 * producer stores `request` before `state`. */
struct ring_chunk {
    _Atomic uint64_t state;
    _Atomic uint64_t request;
};

enum { RING_TYPE_SHIFT = 56 };

/* The statistics of one type of messages. Only the producer writes them. */
struct ring_type {
    _Atomic uint64_t count;
    _Atomic uint64_t bytes;
    _Atomic uint64_t largest;
};

/*
 * The start of the shared memory. Each of its three parts begins at a multiple of 128 bytes, so that no part shares a
 * cache line, or a pair of lines that the processor fetches together, with another part: no process writes to the first
 * part after creation, only the producer writes to the second, and each free reads the third. Creation writes the magic
 * number last, so that no process attaches to an unfinished ring.
 */
struct ring_header {
    _Alignas(SOCKMALLOC_RING_ALIGNMENT) _Atomic uint64_t magic;
    _Atomic uint64_t chunk_size;
    _Atomic uint64_t chunks;

    _Alignas(SOCKMALLOC_RING_ALIGNMENT) _Atomic uint64_t head; /* the position at which the next message is allocated */
    _Atomic uint64_t marker; /* the free marker: the chunks from the head up to this position are known to be free */
    struct ring_type types[SOCKMALLOC_RING_TYPES];

    /* the number, plus one, of the chunk whose free the producer waits for; 0 if it does not wait */
    _Alignas(SOCKMALLOC_RING_ALIGNMENT) _Atomic uint32_t waiting;
};

/* The part of a ring that lies in private memory of this process. Nothing in it changes after creation. */
struct sockmalloc_ring {
    struct ring_header *header;
    struct ring_chunk *states;
    char *memory; /* the first chunk */
    uint32_t chunk_size;
    uint32_t chunks;
    uint32_t holder;
    char name[BUFFER_NAME_SIZE];
};

/* How many rings of a process `sockmalloc stat` can show at most. Further rings work, but are not shown. */
enum { RING_SHOWN = 64 };

/* Returns the place of the table with the addresses of the rings, in which unused entries are NULL. Another process,
 * which inspects this one, finds the rings through that place. */
INTERNAL struct span ring_table_span(void);

/*
 * Stores in *occupied how many chunks lie from the free marker up to the head; only these can be in use. Returns false
 * if the two positions are not possible in this ring; the caller then must not use them.
 */
static inline bool ring_occupied(const struct sockmalloc_ring *ring, uint64_t marker, uint64_t head, uint32_t *occupied)
{
    uint32_t laps = ring_lap(head) - ring_lap(marker);
    uint64_t count = (uint64_t)laps * ring->chunks + ring_chunk(head) - ring_chunk(marker);
    *occupied = (uint32_t)count;
    return laps <= 1 && ring_chunk(head) < ring->chunks && ring_chunk(marker) < ring->chunks && count <= ring->chunks;
}

#endif
