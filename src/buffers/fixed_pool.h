/* The data of a fixed-size pool, which all fixed_* files share, and how a block is found by its number or address. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FIXED_POOL_H
#define SOCKMALLOC_FIXED_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/counter.h"
#include "base/stack.h"
#include "os/lock.h"
#include "sockmalloc.h"

/*
 * A pool has chunks of equal length, and a chunk has blocks of equal size. A block has a number: that of its chunk, and
 * its index within the chunk in the lower FIXED_INDEX_BITS bits. Nothing is written into a free block. What the pool
 * knows of a chunk's blocks lies in the chunk's metadata, apart from the blocks: a state of one byte for each block,
 * then a link of two bytes for each block and, with SOCKMALLOC_POOL_IN_USE, a record of who allocated it. A chunk's
 * number keeps its metadata when the chunk is returned, so that a thread which still looks at a returned chunk reads
 * old metadata and does not crash.
 *
 *     fixed_pool.place[chunk + 1] where the chunk and its metadata lie; read by every allocation and free
 *     fixed_pool.chunk[chunk]   the chunk's free blocks, a lock-free stack of its own; written by slow paths
 *     fixed_pool.hash           from an address to its chunk
 *     fixed_pool.available      the chunks that have free blocks, a lock-free stack of chunk numbers
 */
enum {
    FIXED_INDEX_BITS = 13,
    FIXED_BLOCKS = (1 << FIXED_INDEX_BITS) - 1, /* the most blocks of a chunk */
    FIXED_CHUNKS = 8192,                        /* the most chunks of a pool */
    FIXED_HASH = 32768,                         /* places of the hash table: two for each chunk fill half of it */
    FIXED_CACHES = 512,       /* the most threads that have magazines in one pool; further threads have none */
    FIXED_MAGAZINES = 2048,   /* of a pool: two of each cache, one for fixed_cache_drain, and those of the depot */
    FIXED_POOLS = 496,        /* the most pools of a process */
    FIXED_MAGAZINE = 63,      /* the most blocks of a magazine, which then fills 16 cache lines */
    FIXED_NAME_SIZE = 32,     /* with the NUL */
    FIXED_TICK_FREES = 256,   /* after this many frees the age of free blocks is looked at */
    FIXED_OPEN = 0x66697865,  /* the mark of a pool that may be used */
    FIXED_CLOSING = 0x636c6f, /* the mark of a pool that is being made or destroyed */
};

/*
 * The states of a block. A block in a magazine is FIXED_FREE. FIXED_PURGED blocks lie in their chunk's stack and have
 * no pages, or have never been used. A walk of sockmalloc_pool_each holds a live block for the time of the callback;
 * a free in that time only notes FIXED_HELD_FREED, and the walk completes it. FIXED_TAKEN and FIXED_TAKEN_PURGED are
 * blocks that fixed_reclaim has taken from their chunk's stack, with pages and without.
 */
enum fixed_state {
    FIXED_PURGED,
    FIXED_FREE,
    FIXED_LIVE,
    FIXED_TAKEN,
    FIXED_TAKEN_PURGED,
    FIXED_HELD,
    FIXED_HELD_FREED,
};

struct fixed_place {
    _Atomic(char *) start; /* NULL while the number has no chunk */
    _Atomic(char *) meta;  /* the states; NULL if the number never had a chunk */
};

/*
 * `head` has the chunk's whole stack of free blocks in one word: the index of the top block plus one, or 0, in the
 * lowest 13 bits; the number of blocks in the next 13; and a tag that each removal advances in the upper 38, so that a
 * thread which read an old head does not take it for the present one. At 20 million removals a second of one chunk the
 * tag repeats after almost four hours. The count says at any time if the whole chunk is free.
 */
struct fixed_chunk {
    _Alignas(CACHE_LINE) _Atomic uint64_t head;
    _Atomic uint32_t listed; /* 1 if the chunk is in the stack `available`, or is about to be */
    _Atomic uint32_t purged; /* how many blocks are FIXED_PURGED */
    uint32_t next_spare;     /* under the pool's lock: the next number without a chunk */
    _Atomic uint32_t least;  /* the fewest free blocks since `seen_at` */
    uint64_t seen_at;        /* under the pool's lock: nanoseconds of the clock */
};

/*
 * An array of free blocks, each with the address of its state, so that an allocation need not compute any address. Only
 * the thread that holds the magazine writes; other threads read the count as a hint.
 */
struct fixed_magazine {
    _Alignas(CACHE_LINE) _Atomic uint32_t count;
    struct fixed_item {
        void *block;
        _Atomic uint8_t *state;
    } item[FIXED_MAGAZINE];
};
_Static_assert(sizeof(struct fixed_magazine) == (size_t)16 * CACHE_LINE, "16 cache lines");

struct fixed_thread;
struct fixed_pool;

/* What a thread keeps of a pool. The first line is the thread's own; the second one is also written by others. */
struct fixed_cache {
    _Alignas(CACHE_LINE) struct fixed_magazine *private_magazine;
    _Atomic uint32_t busy; /* 1 while the thread is inside; its signal handlers then go past the cache */
    uint32_t number;
    struct counter requests;
    struct counter left; /* frees until the next tick, negative */
    struct counter ticks;
    struct counter swaps;
    struct counter walks;
    struct counter steals;
    _Alignas(CACHE_LINE) _Atomic(struct fixed_magazine *) public_magazine;
    struct fixed_pool *pool;
    uint64_t seen_swaps;        /* under the pool's lock: `swaps` at the last tick */
    struct fixed_thread *owner; /* under fixed_lock: the thread, or NULL if the record may be used again */
};

/* What a processor keeps of a pool of the kind cpu. */
struct fixed_processor {
    _Alignas(CACHE_LINE) _Atomic uint32_t busy;
    struct counter requests;
    struct counter returned;
    _Alignas(CACHE_LINE) struct fixed_magazine magazine;
};

/* What happened in the pool, one row each. */
#define FIXED_EVENT_ROWS(ROW)                                                                                          \
    ROW(obtained, "chunks", "chunks that were got from the kernel or from the program's own allocator")                \
    ROW(released, "chunks", "chunks that were given back")                                                             \
    ROW(purges, "blocks", "blocks whose pages were given back")                                                        \
    ROW(refusals, "events", "allocations that failed")

struct fixed_pool {
    /* what never changes after sockmalloc_pool_create */
    _Alignas(CACHE_LINE) _Atomic uint32_t mark; /* FIXED_OPEN, FIXED_CLOSING, or 0 */
    uint32_t kind;
    size_t stride;       /* bytes from one block to the next */
    uint64_t reciprocal; /* 2^64 / stride, rounded up */
    size_t bytes;        /* the bytes of all blocks of a chunk */
    struct fixed_place *place;
    uint32_t number; /* the pool's own */
    uint32_t capacity;
    uint32_t blocks;     /* of a chunk */
    uint32_t hash_shift; /* 2^hash_shift is at least `bytes` */
    _Atomic uint16_t *hash;
    struct fixed_chunk *chunk;
    struct fixed_cache *cache;
    struct fixed_magazine *magazine;   /* the first one is for fixed_cache_drain */
    struct fixed_processor *processor; /* NULL but in the kind cpu */
    stack_link *links;                 /* of `available` */
    stack_link *magazine_links;        /* of `full` and `empty` */
    uint32_t processors;
    uint32_t flags;
    uint32_t returned;
    int report;
    uint64_t age;   /* nanoseconds */
    uint64_t limit; /* most free blocks with pages outside of magazines; UINT64_MAX if there is no limit */
    size_t block;   /* the size of a block as the program named it */
    size_t chunk_size;
    size_t meta_size; /* of a chunk */
    size_t area_size;
    char *area; /* where all these tables lie */
    bool in_use;
    bool has_source;
    struct sockmalloc_pool_source source;
    char name[FIXED_NAME_SIZE];

    struct stack available;
    struct stack full;  /* the depot: full magazines, by their numbers */
    struct stack empty; /* empty magazines */

    _Alignas(CACHE_LINE) struct lock lock; /* for all that changes the set of chunks */
    _Atomic uint32_t chunks;               /* numbers that have ever had a chunk */
    uint32_t spare;                        /* a number without a chunk, plus one; 0 if there is none */
    _Atomic uint32_t holds;                /* pins and walks: while there are any, no memory is given back */
    _Atomic uint32_t walking;              /* 1 while a walk is under way */
    _Atomic uint32_t caches;               /* records of caches that were ever used */
    int pins;                              /* under `lock` */
    _Atomic uint32_t magazines;            /* magazines that were ever used */
    struct fixed_magazine *spare_magazine; /* an empty one, for fixed_cache_drain */
    char *slab;                            /* where the metadata of the next chunk will lie */
    size_t slab_left;
    char *slabs; /* the last slab; its first word is the address of the one before */
    _Atomic uint64_t meta_bytes;
    _Atomic uint64_t next_tick;
    _Atomic uint32_t frees; /* since the last tick, outside of caches */
#define FIXED_EVENT_FIELD(name, unit, help) _Atomic uint64_t name;
    FIXED_EVENT_ROWS(FIXED_EVENT_FIELD)
#undef FIXED_EVENT_FIELD

    _Alignas(CACHE_LINE) struct lock mutex; /* the kind standard: for the free list */
    struct counter requests;                /* the kind standard */
    struct counter returned_blocks;         /* the kind standard */
    _Atomic int64_t kept;                   /* free blocks with pages outside of magazines, if there is a limit */
};

/* Returns true if the pool may be used. The record of a pool that was destroyed stays mapped. */
static inline bool fixed_is_open(const struct fixed_pool *pool)
{
    return pool != NULL && atomic_load_explicit(&pool->mark, memory_order_relaxed) == FIXED_OPEN;
}

/* sockmalloc.h names this structure, and knows nothing of it. */
static inline struct fixed_pool *fixed_pool_of(struct sockmalloc_pool *pool)
{
    return (struct fixed_pool *)(void *)pool;
}

static inline uint32_t fixed_chunk_of(uint32_t number)
{
    return number >> FIXED_INDEX_BITS;
}

static inline uint32_t fixed_index_of(uint32_t number)
{
    return number & FIXED_BLOCKS;
}

static inline uint32_t fixed_number_of(uint32_t chunk, uint32_t index)
{
    return chunk << FIXED_INDEX_BITS | index;
}

static inline struct fixed_place *fixed_place(const struct fixed_pool *pool, uint32_t chunk)
{
    return &pool->place[chunk + 1];
}

/* Returns where the chunk begins, or NULL if the number has no chunk. */
static inline char *fixed_start(const struct fixed_pool *pool, uint32_t chunk)
{
    return atomic_load_explicit(&fixed_place(pool, chunk)->start, memory_order_acquire);
}

static inline _Atomic uint8_t *fixed_states(const struct fixed_pool *pool, uint32_t chunk)
{
    return (_Atomic uint8_t *)(void *)atomic_load_explicit(&fixed_place(pool, chunk)->meta, memory_order_relaxed);
}

static inline _Atomic uint8_t *fixed_state(const struct fixed_pool *pool, uint32_t number)
{
    return &fixed_states(pool, fixed_chunk_of(number))[fixed_index_of(number)];
}

static inline uint8_t fixed_get_state(const struct fixed_pool *pool, uint32_t number)
{
    return atomic_load_explicit(fixed_state(pool, number), memory_order_relaxed);
}

static inline void fixed_set_state(const struct fixed_pool *pool, uint32_t number, enum fixed_state state)
{
    atomic_store_explicit(fixed_state(pool, number), (uint8_t)state, memory_order_relaxed);
}

/* Returns the links of the chunk's stack. A link is the index of the block below plus one, or 0. */
static inline _Atomic uint16_t *fixed_links(const struct fixed_pool *pool, uint32_t chunk)
{
    return (_Atomic uint16_t *)(void *)(fixed_states(pool, chunk) + ((size_t)pool->blocks + 1) / 2 * 2);
}

static inline char *fixed_address(const struct fixed_pool *pool, uint32_t number)
{
    char *start = atomic_load_explicit(&fixed_place(pool, fixed_chunk_of(number))->start, memory_order_relaxed);
    return start + fixed_index_of(number) * pool->stride;
}

#define FIXED_NONE UINT32_MAX

/* An address so far from all addresses of a process that no address is less than a chunk's length behind it. */
#define FIXED_NOWHERE ((char *)(UINTPTR_MAX / 2 + 1))

/* Neighbouring chunks get neighbouring places in the hash table. */
static inline uint32_t fixed_hash_of(uintptr_t granule)
{
    return (uint32_t)granule % FIXED_HASH;
}

enum { FIXED_HASH_GONE = FIXED_CHUNKS + 1 };

/* Returns how far the address lies behind the chunk's start; more than a chunk's length for any other address. */
static inline size_t fixed_offset(const struct fixed_pool *pool, uint32_t chunk, const void *address)
{
    return (uintptr_t)address - (uintptr_t)atomic_load_explicit(&fixed_place(pool, chunk)->start, memory_order_relaxed);
}

/*
 * Returns the place of the chunk that stands in the hash table where the address's chunk is looked for first. The
 * caller compares the address with it. A chunk stands in the table under the granules of 2^hash_shift bytes in which it
 * begins and ends, so no chunk needs an alignment of its own. An entry is the number of a chunk plus one, 0 at the end
 * of a chain of entries, or FIXED_HASH_GONE for a chunk that was given back. The latter two stand for the
 * first place and the last one, which never have a chunk: they are at FIXED_NOWHERE, and have states that are not live.
 */
FAST_PATH const struct fixed_place *fixed_first_place_at(const struct fixed_pool *pool, const void *address)
{
    uint32_t at = fixed_hash_of((uintptr_t)address >> pool->hash_shift);
    return &pool->place[atomic_load_explicit(&pool->hash[at], memory_order_relaxed)];
}

/* Returns the chunk that the address lies in, or FIXED_NONE. */
INTERNAL uint32_t fixed_chunk_at(const struct fixed_pool *pool, const void *address);

/* Returns the number of the block that begins at the address, or FIXED_NONE if there is none. */
INTERNAL uint32_t fixed_number_at(const struct fixed_pool *pool, const void *address);

/*
 * Divides an offset in a chunk by the stride, and stores the quotient, which is the index of a block. Returns true if
 * nothing remains. The upper half of the product is the quotient, exactly so for every offset within a chunk, because
 * offset times stride is below 2^64. The lower half is less than the reciprocal for multiples of the stride alone (D.
 * Lemire and others, "Faster remainder by direct computation", 2019).
 */
FAST_PATH bool fixed_divide(const struct fixed_pool *pool, size_t offset, size_t *index)
{
    unsigned __int128 product = (unsigned __int128)offset * pool->reciprocal;
    *index = (size_t)(product >> 64);
    return LIKELY((uint64_t)product < pool->reciprocal);
}

/* The record of SOCKMALLOC_POOL_IN_USE for a block. */
struct fixed_use {
    _Atomic(const void *) caller;
    _Atomic uint64_t taken_at;
};

static inline struct fixed_use *fixed_use(const struct fixed_pool *pool, uint32_t number)
{
    char *end = (char *)fixed_states(pool, fixed_chunk_of(number)) + pool->meta_size;
    return (struct fixed_use *)(void *)end - (fixed_index_of(number) + 1);
}

#endif
