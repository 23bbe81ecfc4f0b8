/*
 * Defines the data of a fixed-size pool, which all fixed_* files share, and finds a block by its number or its address.
 */
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
 * then a link of two bytes for each block and, with SOCKMALLOC_POOL_IN_USE, a record of the code that allocated the
 * block and of the time. When a chunk is given back, its metadata stays mapped and keeps the chunk's number, so that a
 * thread which still looks at that chunk reads old metadata and does not crash.
 *
 * fixed_pool.place[chunk + 1] says where the chunk and its metadata lie, and is read by every allocation and free.
 * fixed_pool.chunk[chunk] is a lock-free stack of the chunk's free blocks, and is written by slow paths.
 * fixed_pool.hash is a hash table that finds the chunk of an address. fixed_pool.available is a lock-free stack of the
 * numbers of chunks that have free blocks.
 */
enum {
    FIXED_INDEX_BITS = 13,
    FIXED_BLOCKS = (1 << FIXED_INDEX_BITS) - 1, /* the largest number of blocks in a chunk */
    FIXED_CHUNKS = 8192,                        /* the largest number of chunks in a pool */
    /* places of the hash table: each chunk needs at most two, so at least half of the table is free */
    FIXED_HASH = 32768,
    FIXED_CACHES = 512, /* how many threads can have magazines in one pool; others use the shared free list */
    /* magazines of a pool: two for each cache, one for fixed_cache_drain, and those of the depot */
    FIXED_MAGAZINES = 2048,
    FIXED_POOLS = 496, /* the largest number of pools in a process */
    /* the largest number of blocks in a magazine; a magazine with this many fills 16 cache lines */
    FIXED_MAGAZINE = 63,
    FIXED_NAME_SIZE = 32, /* with the NUL */
    /* after this many frees, the pool looks for memory that has been free for long and gives it back (a tick) */
    FIXED_TICK_FREES = 256,
    FIXED_OPEN = 0x66697865,  /* fixed_pool.mark of a pool that may be used */
    FIXED_CLOSING = 0x636c6f, /* fixed_pool.mark of a pool that is being made or destroyed at the moment */
};

/*
 * Offsets within a page at which the first record of each kind of data begins: pools, places of chunks, states of
 * blocks, caches, and magazines. The reason: the processor delays a load after a store to the same offset of another
 * page (see base/colour.h). Programs write to the first line of page-aligned blocks, so no kind of data begins at
 * offset 0. In the usual case of a few pools, chunks and threads, the data that a call writes share no offset with the
 * data that a call reads.
 */
enum {
    FIXED_COLOUR_POOLS = 0x040,
    FIXED_COLOUR_PLACES = 0x0c0,
    FIXED_COLOUR_STATES = 0x240,
    FIXED_COLOUR_CACHES = 0x340,
    FIXED_COLOUR_MAGAZINES = 0x400,
};

/*
 * The states of a block. Live blocks are FIXED_LIVE, and free blocks are FIXED_FREE, those in magazines too.
 * FIXED_PURGED is a free block on its chunk's stack that has no pages, or was never used.
 *
 * A walk of sockmalloc_pool_each marks a live block as FIXED_HELD while its callback runs. A free during that time only
 * marks the block as FIXED_HELD_FREED, and the walk completes the free.
 *
 * FIXED_TAKEN and FIXED_TAKEN_PURGED are blocks that fixed_reclaim has taken off their chunk's stack to purge them; a
 * block with the second state had no pages before.
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

/* The addresses of a chunk. */
struct fixed_place {
    _Atomic(char *) start; /* the chunk's memory; NULL if no chunk has this number */
    /* the chunk's metadata, which begins with the states of its blocks; NULL if the number never had a chunk */
    _Atomic(char *) meta;
};

/*
 * The part of a chunk's data that slow paths write. `head` has the chunk's whole stack of free blocks in one word. The
 * lowest 13 bits are the index of the top block plus one, or 0 if the stack is empty. The next 13 bits are the number
 * of blocks on the stack; the whole chunk is free if all its blocks are on the stack. The upper 38 bits are a tag that
 * each removal advances, so that a thread which read an old head does not take it for the present one. If 20 million
 * times a second blocks are removed from one chunk, the tag repeats after almost four hours.
 */
struct fixed_chunk {
    _Alignas(CACHE_LINE) _Atomic uint64_t head;
    _Atomic uint32_t listed; /* 1 if the chunk is in the list `available`, or is about to be put there */
    _Atomic uint32_t purged; /* how many blocks have the state FIXED_PURGED */
    /* the next number in the list of free chunk numbers, plus one; 0 at the end of the list; changed under the pool's
     * lock */
    uint32_t next_spare;
    _Atomic uint32_t least; /* the fewest free blocks that the chunk has had since `seen_at` */
    /* when `least` was last read and then set anew, in nanoseconds of clock_now; changed under the pool's lock */
    uint64_t seen_at;
};

/*
 * An array of free blocks. Each block has the address of its state beside it, so that an allocation need not compute
 * this address. Only the thread that owns the magazine writes to it; other threads read `count` as a hint. `count` is 0
 * while the magazine is a cache's private one, because the number of blocks is then in `tally` of the cache.
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

/*
 * The cache of a thread in a pool. Only the thread itself writes to the first cache line; other threads also write to
 * the second line.
 *
 * The lower half of `tally` is the number of blocks in the private magazine. The upper half grows by one with each
 * free. So the fast paths need not count allocations. The number of allocations is `tally_blocks` (the lower half when
 * the tally began) plus the number of frees, less the lower half now. After FIXED_TICK_FREES frees the highest bit of
 * `tally` becomes set. The thread must then give back memory that has been free for long (a tick).
 */
struct fixed_cache {
    _Alignas(CACHE_LINE) struct fixed_magazine *private_magazine;
    _Atomic uint64_t tally;
    /* 1 while the thread is using the cache; its signal handlers then use the shared free list */
    _Atomic uint32_t busy;
    uint32_t number; /* the index of this cache in fixed_pool.cache */
    _Atomic uint32_t tally_blocks;
    /* allocations and frees before the present tally began, which counts the later ones */
    struct counter requests;
    struct counter frees;
    struct counter swaps; /* how often the private magazine was exchanged for the public one, which then served */
    _Alignas(CACHE_LINE) _Atomic(struct fixed_magazine *) public_magazine;
    struct fixed_pool *pool;
    struct counter walks;  /* public magazines of other threads that this thread looked at */
    struct counter steals; /* public magazines of other threads that this thread took */
    /* the value of the counter `swaps` at the last fixed_cache_drain; changed under the pool's lock */
    uint64_t seen_swaps;
    /* the thread that has this cache; NULL if a new thread may get the cache; changed under fixed_lock */
    struct fixed_thread *owner;
};

#define FIXED_TALLY_STEP  (UINT64_C(1) << 32)
#define FIXED_TALLY_START ((UINT64_C(1) << 63) - FIXED_TICK_FREES * FIXED_TALLY_STEP)

static inline uint32_t fixed_tally_blocks(uint64_t tally)
{
    return (uint32_t)tally;
}

/* Returns how many blocks were freed to a cache since its tally began. */
static inline uint32_t fixed_tally_frees(uint64_t tally)
{
    return (uint32_t)((tally - FIXED_TALLY_START) >> 32);
}

/* Returns how many blocks were allocated from a cache since its tally began. `before` is the number of blocks that the
 * private magazine had when the tally began. */
static inline uint32_t fixed_tally_requests(uint64_t tally, uint32_t before)
{
    return fixed_tally_frees(tally) + before - fixed_tally_blocks(tally);
}

/* The cache of a processor, in a pool of the kind `cpu`. */
struct fixed_processor {
    _Alignas(CACHE_LINE) _Atomic uint32_t busy; /* 1 while a thread uses the magazine */
    struct counter requests;
    struct counter returned;
    _Alignas(CACHE_LINE) struct fixed_magazine magazine;
};

/* The events that a pool counts. The columns of a row: the event's name, its unit, and its meaning. */
#define FIXED_EVENT_ROWS(ROW)                                                                                          \
    ROW(obtained, "chunks", "chunks that were got from the kernel or from the program's own allocator")                \
    ROW(released, "chunks", "chunks that were given back")                                                             \
    ROW(purges, "blocks", "blocks whose pages were given back")                                                        \
    ROW(refusals, "events", "allocations that failed")

struct fixed_pool {
    /* the members up to `name` do not change while the pool is open */
    _Alignas(CACHE_LINE) _Atomic uint32_t mark; /* FIXED_OPEN, FIXED_CLOSING, or 0 */
    uint32_t kind;                              /* enum sockmalloc_pool_kind */
    size_t stride;                              /* bytes from the start of a block to the start of the next */
    uint64_t reciprocal;                        /* 2^64 / stride, rounded up */
    size_t bytes;                               /* bytes of all blocks of a chunk together */
    struct fixed_place *place;
    uint32_t number;   /* the index of this record in the table of all pools */
    uint32_t capacity; /* the most blocks that a magazine may have; 0 if the pool has no magazines */
    uint32_t blocks;   /* the number of blocks in a chunk */
    /* a granule of addresses, the unit of the hash table, has 2^hash_shift bytes, which is at least `bytes` */
    uint32_t hash_shift;
    _Atomic uint16_t *hash;
    struct fixed_chunk *chunk;
    struct fixed_cache *cache;
    /* the table of all magazines; the first one begins as `spare_magazine` */
    struct fixed_magazine *magazine;
    struct fixed_processor *processor; /* the caches of the processors, if the kind is `cpu` */
    stack_link *links;                 /* the links of the stack `available` */
    stack_link *magazine_links;        /* the links of the stacks `full` and `empty` */
    uint32_t processors;               /* the number of processors if the kind is `cpu`, otherwise 0 */
    uint32_t flags;
    uint32_t returned; /* enum sockmalloc_pool_returned: when memory of free blocks is given back */
    int report;        /* the descriptor to which sockmalloc_pool_destroy writes the blocks in use; -1 for none */
    /* nanoseconds for which memory must be free before the pool gives it back (SOCKMALLOC_POOL_BY_AGE) */
    uint64_t age;
    uint64_t limit;    /* how many free blocks outside magazines may have pages; UINT64_MAX if there is no limit */
    size_t block;      /* the size of a block in bytes, as the program has requested it */
    size_t chunk_size; /* `bytes`, rounded up to whole pages */
    size_t meta_size;  /* bytes of the metadata of a chunk */
    size_t area_size;  /* bytes of `area` */
    char *area;        /* the memory in which all tables of the pool lie */
    bool in_use;       /* true with SOCKMALLOC_POOL_IN_USE */
    bool has_source;   /* true if chunks come from `source`, the program's own allocator, and not from the kernel */
    struct sockmalloc_pool_source source;
    char name[FIXED_NAME_SIZE];

    struct stack available; /* the numbers of the chunks that have free blocks */
    struct stack full;      /* one half of the depot: the numbers of full magazines that no cache has */
    struct stack empty;     /* the other half: the numbers of empty magazines that no cache has */

    _Alignas(CACHE_LINE) struct lock lock; /* held while a chunk is added or removed, and while memory is given back */
    _Atomic uint32_t chunks;               /* how many chunk numbers have ever been used */
    /* the first number in the list of free chunk numbers, plus one; 0 if the list is empty */
    uint32_t spare;
    /* how many pins and walks over the blocks in use the pool has at present; if it is not 0, the pool gives no memory
     * back */
    _Atomic uint32_t holds;
    _Atomic uint32_t walking;              /* 1 while a thread walks over the blocks in use */
    _Atomic uint32_t caches;               /* how many records of caches have ever been used */
    int pins;                              /* how often the pool is pinned; changed under `lock` */
    _Atomic uint32_t magazines;            /* how many magazines have ever been used */
    struct fixed_magazine *spare_magazine; /* an empty magazine, with which fixed_cache_drain begins */
    char *slab;                            /* the memory from which the metadata of the next chunk is cut */
    size_t slab_left;                      /* how many bytes of the slab are left from `slab` on */
    /* the slab that was mapped last, from which `slab` is cut; its first word is the address of the slab before */
    char *slabs;
    _Atomic uint64_t meta_bytes; /* bytes of the metadata of all chunks, also of chunks that were given back */
    _Atomic uint64_t next_tick;  /* in nanoseconds of clock_now: before this time, a tick gives no memory back */
    /* frees whose blocks did not go to a thread's cache, counted only with SOCKMALLOC_POOL_BY_AGE; after every
     * FIXED_TICK_FREES of them, memory that has been free for long is given back */
    _Atomic uint32_t frees;
#define FIXED_EVENT_FIELD(name, unit, help) _Atomic uint64_t name;
    FIXED_EVENT_ROWS(FIXED_EVENT_FIELD)
#undef FIXED_EVENT_FIELD

    /* only in pools of the kind `standard`: held while the pool's free list is used */
    _Alignas(CACHE_LINE) struct lock mutex;
    struct counter requests;        /* blocks allocated under `mutex` */
    struct counter returned_blocks; /* blocks freed under `mutex` */
    /* how many free blocks outside magazines have pages; counted only if there is a limit */
    _Atomic int64_t kept;
    /* how many threads are in fixed_purge_block; sockmalloc_pool_pin waits until there is none */
    _Atomic uint32_t purging;
};

/*
 * Returns true if the pool is open. May also be called for a pool that was destroyed, because its record stays mapped.
 */
static inline bool fixed_is_open(const struct fixed_pool *pool)
{
    return pool != NULL && atomic_load_explicit(&pool->mark, memory_order_relaxed) == FIXED_OPEN;
}

/*
 * Returns the library's own structure behind a handle. sockmalloc.h declares only the name of struct sockmalloc_pool.
 */
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

/* Returns the address at which the chunk begins, or NULL if no chunk has this number. */
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

/* Returns the links by which the free blocks of the chunk are chained on its stack. A link is the index of the block
 * below plus one, or 0. */
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

/* The start of the dummy chunk, which the first and the last entry of pool->place describe. A dummy chunk has the same
 * length as other chunks, and no process can use the addresses in it. So no block of a program lies in it. */
#define FIXED_NOWHERE ((char *)(UINTPTR_MAX / 2 + 1))

/* Returns the place of the hash table at which the search for a granule begins. Neighbouring granules have neighbouring
 * places. */
static inline uint32_t fixed_hash_of(uintptr_t granule)
{
    return (uint32_t)granule % FIXED_HASH;
}

/* An entry of the hash table whose chunk was given back. */
enum { FIXED_HASH_GONE = FIXED_CHUNKS + 1 };

/* Returns how many bytes the address lies behind the chunk's start. For an address outside the chunk, returns at least
 * the number of bytes of a chunk. */
static inline size_t fixed_offset(const struct fixed_pool *pool, uint32_t chunk, const void *address)
{
    return (uintptr_t)address - (uintptr_t)atomic_load_explicit(&fixed_place(pool, chunk)->start, memory_order_relaxed);
}

/*
 * Finds the entry of the hash table at which the search for the address begins. Returns the place (`start` and `meta`)
 * of the chunk that this entry names. The caller has to check that the address lies in this chunk.
 *
 * The table has a chunk under each granule of 2^hash_shift bytes in which the chunk begins or ends, so chunks need no
 * alignment of that size. An entry is the number of a chunk plus one, 0 at the end of a chain of entries, or
 * FIXED_HASH_GONE for a chunk that was given back. For an entry of 0 the function returns the first place of
 * pool->place, and for FIXED_HASH_GONE the last one. These two places stand for no chunk: their start is FIXED_NOWHERE,
 * and their states are not live.
 */
FAST_PATH const struct fixed_place *fixed_first_place_at(const struct fixed_pool *pool, const void *address)
{
    uint32_t at = fixed_hash_of((uintptr_t)address >> pool->hash_shift);
    return &pool->place[atomic_load_explicit(&pool->hash[at], memory_order_relaxed)];
}

/* Returns the number of the chunk in which the address lies, or FIXED_NONE. */
INTERNAL uint32_t fixed_chunk_at(const struct fixed_pool *pool, const void *address);

/* Returns the number of the block that begins at the address, or FIXED_NONE. */
INTERNAL uint32_t fixed_number_at(const struct fixed_pool *pool, const void *address);

/*
 * Divides an offset in a chunk by the distance of two blocks (the stride). Stores the quotient, which is the index of a
 * block, and returns true if there is no remainder. A multiplication by a reciprocal replaces the division: the upper
 * half of the product is the quotient, which is exact for each offset in a chunk, because offset times stride is below
 * 2^64. The lower half of the product is less than the reciprocal only if there is no remainder (D. Lemire and others,
 * "Faster remainder by direct computation", 2019).
 */
FAST_PATH bool fixed_divide(const struct fixed_pool *pool, size_t offset, size_t *index)
{
    unsigned __int128 product = (unsigned __int128)offset * pool->reciprocal;
    *index = (size_t)(product >> 64);
    return LIKELY((uint64_t)product < pool->reciprocal);
}

/* The record of a block's allocation in a pool with SOCKMALLOC_POOL_IN_USE. */
struct fixed_use {
    _Atomic(const void *) caller; /* the return address of the call that allocated the block */
    _Atomic uint64_t taken_at;    /* the time of the allocation in nanoseconds of clock_now */
};

/* Returns the record of a block's allocation. The records of a chunk lie at the end of its metadata, in the opposite
 * order of the blocks. */
static inline struct fixed_use *fixed_use(const struct fixed_pool *pool, uint32_t number)
{
    char *end = (char *)fixed_states(pool, fixed_chunk_of(number)) + pool->meta_size;
    return (struct fixed_use *)(void *)end - (fixed_index_of(number) + 1);
}

#endif
