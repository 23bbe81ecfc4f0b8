/* Tests of fixed-size pools (sockmalloc_pool_*) in one thread: their blocks, how their memory is given back, walks over
 * blocks in use, and misuse. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/bounds.h"
#include "buffers/fixed_pool.h"
#include "os/os.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/fixed_pools.h"
#include "support/os_failing.h"

enum { PAGE = 4096, MANY = 3000 };

static void *blocks[MANY];

static int compare(const void *one, const void *other)
{
    uintptr_t a = *(const uintptr_t *)one;
    uintptr_t b = *(const uintptr_t *)other;
    return (a > b) - (a < b);
}

/* Sorts the first `count` blocks by address, and checks that no two of them overlap. */
static void expect_apart(size_t count, size_t size)
{
    qsort(blocks, count, sizeof blocks[0], compare);
    for (size_t i = 1; i < count; i++) {
        cr_assert_geq((char *)blocks[i] - (char *)blocks[i - 1], (ptrdiff_t)size);
    }
}

/* --- blocks --- */

Test(fixed, blocks_of_every_kind_are_aligned_and_apart, .timeout = 60)
{
    static const struct {
        size_t size, alignment, stride;
    } cases[] = {{1, 64, 64},        {64, 64, 64},       {65, 64, 128},        {1500, 64, 1536},    {5000, 64, 5056},
                 {4096, PAGE, PAGE}, {5000, PAGE, 8192}, {65536, PAGE, 65536}, {100000, 64, 100032}};
    os_failing_never();
    for (size_t i = 0; i < FIXED_KINDS * sizeof cases / sizeof cases[0]; i++) {
        size_t row = i / FIXED_KINDS;
        size_t count = LESSER(MANY, (16 << 20) / cases[row].stride);
        struct sockmalloc_pool_options options = fixed_options((int)(i % FIXED_KINDS), cases[row].size);
        options.alignment = cases[row].alignment == PAGE;
        struct sockmalloc_pool *pool = fixed_make(&options);
        fixed_take(pool, blocks, count);
        for (size_t block = 0; block < count; block++) {
            cr_assert_eq((uintptr_t)blocks[block] % cases[row].alignment, 0);
            memset(blocks[block], 'x', cases[row].size);
        }
        fixed_expect(pool, "live", count);
        expect_apart(count, cases[row].stride);
        cr_assert_eq((char *)blocks[1] - (char *)blocks[0], (ptrdiff_t)cases[row].stride, "blocks are packed");
        fixed_give(pool, blocks, count);
        fixed_expect(pool, "live", 0);
        uint64_t chunks = fixed_figure(pool, "chunks");
        fixed_take(pool, blocks, count);
        fixed_expect(pool, "chunks", chunks);
        expect_apart(count, cases[row].stride);
        fixed_give(pool, blocks, count);
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), 0);
    }
}

/* A thread's cache counts allocations and frees in one word, the tally. The tally begins anew when the thread reads the
 * clock (a tick), and when the thread gets another magazine. No count may be lost then. */
Test(fixed, every_request_and_every_free_is_counted)
{
    static const struct {
        size_t live, rounds;
    } cases[] = {{1, 1000}, {63, 9}, {64, 9}, {200, 3}, {1000, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_THREAD, 64);
        struct sockmalloc_pool *pool = fixed_make(&options);
        for (size_t round = 1; round <= cases[i].rounds; round++) {
            fixed_take(pool, blocks, cases[i].live);
            fixed_expect(pool, "requests", round * cases[i].live);
            fixed_expect(pool, "live", cases[i].live);
            fixed_give(pool, blocks, cases[i].live);
            fixed_expect(pool, "frees", round * cases[i].live);
            fixed_expect(pool, "live", 0);
        }
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), 0);
    }
}

/* The pool's own data may take at most a twentieth of the memory of its blocks. Those parts of its tables that were
 * never touched do not count, because they take no memory. */
Test(fixed, metadata_take_at_most_a_twentieth)
{
    static const size_t sizes[] = {64, 128, 192, 320, 1472, 4096, 5000, 9000, 65536, 300000};
    os_failing_never();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, sizes[i]);
        options.alignment = SOCKMALLOC_POOL_BY_LINE;
        struct sockmalloc_pool *pool = fixed_make(&options);
        size_t stride = (sizes[i] + 63) / 64 * 64;
        for (uint64_t bytes = 0; bytes < 16 << 20; bytes += stride) {
            cr_assert_not_null(sockmalloc_pool_alloc(pool));
        }
        double all = (double)(fixed_figure(pool, "memory") + fixed_figure(pool, "metadata"));
        double each = all / (double)fixed_figure(pool, "carved") / (double)stride;
        double tables = (double)(fixed_figure(pool, "chunks") * (sizeof(struct fixed_chunk) + 32)) /
                        (double)fixed_figure(pool, "memory");
        cr_assert_leq(each + tables, 1.05, "size %zu: %f", sizes[i], each + tables);
        sockmalloc_pool_destroy(pool, SOCKMALLOC_POOL_ALL_THE_SAME);
    }
}

Test(fixed, nothing_is_written_into_a_free_block)
{
    os_failing_never();
    for (int kind = 0; kind < FIXED_KINDS; kind++) {
        struct sockmalloc_pool_options options = fixed_options(kind, 512);
        struct sockmalloc_pool *pool = fixed_make(&options);
        fixed_take(pool, blocks, MANY);
        for (unsigned i = 0; i < MANY; i++) {
            memset(blocks[i], 'x', 512);
        }
        fixed_give(pool, blocks, MANY);
        for (unsigned i = 0; i < MANY; i++) {
            for (unsigned at = 0; at < 512; at++) {
                cr_assert_eq(((char *)blocks[i])[at], 'x');
            }
        }
        sockmalloc_pool_destroy(pool, 0);
    }
}

/* --- options --- */

static void change_nothing(struct sockmalloc_pool_options *options)
{
    (void)options;
}
/* CHANGE defines a function that makes one option of a pool wrong by `statement`. */
#define CHANGE(name, statement)                                                                                        \
    static void change_##name(struct sockmalloc_pool_options *options)                                                 \
    {                                                                                                                  \
        options->statement;                                                                                            \
    }
CHANGE(size, size--)
CHANGE(block, block = 0)
CHANGE(large_block, block = ((size_t)1 << 30) + 1)
CHANGE(kind, kind = FIXED_KINDS)
CHANGE(negative_kind, kind = -1)
CHANGE(alignment, alignment = 2)
CHANGE(returned, returned = 3)
CHANGE(flags, flags = 4)
CHANGE(chunk, chunk = SIZE_MAX)
CHANGE(name, name = "a name of 32 bytes that is too lo")
CHANGE(source, source.release = (void (*)(void *, void *, size_t))abort)

Test(fixed, options_that_make_no_sense_are_refused)
{
    static void (*const changes[])(struct sockmalloc_pool_options *) = {
        change_size,     change_block, change_large_block, change_kind, change_negative_kind, change_alignment,
        change_returned, change_flags, change_chunk,       change_name, change_source,
    };
    os_failing_never();
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct sockmalloc_pool_options options = fixed_options(0, 64);
        change_nothing(&options);
        changes[i](&options);
        errno = 0;
        cr_assert_null(sockmalloc_pool_create(&options), "change %zu", i);
        cr_assert_eq(errno, EINVAL);
    }
    cr_assert_null(sockmalloc_pool_create(NULL));
}

Test(fixed, pools_are_limited_in_number)
{
    static struct sockmalloc_pool *pools[FIXED_POOLS];
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, 64);
    os_failing_never();
    for (unsigned i = 0; i < FIXED_POOLS; i++) {
        pools[i] = fixed_make(&options);
    }
    cr_assert_null(sockmalloc_pool_create(&options));
    cr_assert_eq(errno, EAGAIN);
    sockmalloc_pool_destroy(pools[7], 0);
    cr_assert_eq(fixed_make(&options), pools[7]);
}

/* A new pool reuses the record of a pool that was destroyed. The thread still has its cache of the destroyed pool, and
 * that cache must not serve the new pool. */
Test(fixed, destroyed_pool_leaves_nothing_to_the_next_one)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_THREAD, 64);
    os_failing_never();
    struct sockmalloc_pool *pool = fixed_make(&options);
    size_t held = 0;
    for (unsigned round = 0; round < 3; round++) {
        fixed_take(pool, blocks, MANY);
        fixed_give(pool, blocks, MANY);
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), 0);
        cr_assert(round == 0 || os_failing_held() == held, "the destroyed pool has left memory mapped");
        held = os_failing_held();
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), -1);
        cr_assert_null(sockmalloc_pool_alloc(pool));
        cr_assert_eq(errno, EINVAL);
        options.block += 64;
        cr_assert_eq(fixed_make(&options), pool);
        fixed_expect(pool, "carved", 0);
    }
}

/* --- memory that is given back --- */

static bool reads_as_zero(const void *block)
{
    return *(const char *)block == 0;
}

Test(fixed, at_once_every_free_gives_memory_back)
{
    os_failing_never();
    for (int kind = 0; kind < FIXED_KINDS; kind++) {
        struct sockmalloc_pool_options options = fixed_options(kind, PAGE);
        options.returned = SOCKMALLOC_POOL_AT_ONCE;
        struct sockmalloc_pool *pool = fixed_make(&options);
        fixed_take(pool, blocks, 10);
        for (unsigned i = 0; i < 10; i++) {
            memset(blocks[i], 'x', PAGE);
        }
        fixed_give(pool, blocks, 9);
        cr_assert(reads_as_zero(blocks[0]) && reads_as_zero(blocks[8]));
        cr_assert_not(reads_as_zero(blocks[9]));
        fixed_expect(pool, "free", 0);
        fixed_expect(pool, "purges", 9);
        sockmalloc_pool_free(pool, blocks[9]);
        fixed_expect(pool, "chunks", 0);
        fixed_expect(pool, "released", 1);
        cr_assert_not_null(sockmalloc_pool_alloc(pool));
        cr_assert_eq(sockmalloc_pool_destroy(pool, SOCKMALLOC_POOL_ALL_THE_SAME), 0);
    }
}

Test(fixed, free_list_is_limited)
{
    static const struct {
        size_t block;
        unsigned flags;
        uint64_t free, chunks;
        size_t limit;
    } cases[] = {
        /* blocks of a page each: while more than `limit` blocks are free, the pages of single free blocks are purged */
        {PAGE, 0, 20, 1, 20},
        /* chunks (each is the memory of several blocks) keep their addresses: free blocks beyond `limit` are purged,
         * but no chunk is unmapped, even if all of its blocks are free */
        {PAGE, SOCKMALLOC_POOL_KEEP_ADDRESSES, 20, 3, 20},
        /* blocks that share pages: memory is given back only in whole chunks, of 16 blocks each, in which all blocks
         * are free */
        {4000, 0, 16, 1, 20},
        {4032, SOCKMALLOC_POOL_KEEP_ADDRESSES, 20, 3, 20},
        {PAGE, 0, 48, 3, SIZE_MAX}, /* a limit that is never reached */
        {PAGE, 0, 48, 3, SIZE_MAX - 1},
    };
    os_failing_never();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, cases[i].block);
        options.free_limit = cases[i].limit;
        options.flags = cases[i].flags;
        options.chunk = 16 * 4096;
        struct sockmalloc_pool *pool = fixed_make(&options);
        fixed_take(pool, blocks, 48);
        for (unsigned block = 0; block < 48; block++) {
            memset(blocks[block], 'x', cases[i].block);
        }
        fixed_give(pool, blocks, 48);
        cr_assert_leq(fixed_figure(pool, "free"), cases[i].free, "case %zu", i);
        cr_assert_geq(fixed_figure(pool, "free"), 1, "case %zu", i);
        fixed_expect(pool, "chunks", cases[i].chunks);
        uint64_t released = fixed_figure(pool, "released");
        for (unsigned round = 0; round < 10; round++) {
            sockmalloc_pool_free(pool, sockmalloc_pool_alloc(pool));
        }
        cr_assert_eq(fixed_figure(pool, "released"), released, "below the limit nothing is given back");
        sockmalloc_pool_destroy(pool, 0);
    }
}

Test(fixed, trim_gives_back_what_is_free)
{
    os_failing_never();
    for (int kind = 0; kind < FIXED_KINDS; kind++) {
        struct sockmalloc_pool_options options = fixed_options(kind, PAGE);
        options.chunk = 16 * PAGE;
        struct sockmalloc_pool *pool = fixed_make(&options);
        fixed_take(pool, blocks, 64);
        for (unsigned i = 0; i < 64; i++) {
            memset(blocks[i], 'x', PAGE);
        }
        expect_apart(64, PAGE);
        fixed_give(pool, blocks, 60);
        cr_assert_gt(sockmalloc_pool_trim(pool), 0);
        cr_assert_leq(fixed_figure(pool, "chunks"), 2, "kind %d", kind);
        for (unsigned i = 60; i < 64; i++) {
            cr_assert_not(reads_as_zero(blocks[i]), "a block in use keeps its pages");
        }
        fixed_take(pool, blocks, 60);
        expect_apart(64, PAGE);
        fixed_give(pool, blocks, 64);
        sockmalloc_pool_trim(pool);
        cr_assert_leq(fixed_figure(pool, "live"), 0);
        sockmalloc_pool_destroy(pool, 0);
    }
}

/* Blocks that are smaller than a page share pages. Only pages on which every block is free are purged. */
Test(fixed, purge_spares_the_neighbours_of_packed_blocks)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, 3000);
    os_failing_never();
    struct sockmalloc_pool *pool = fixed_make(&options);
    fixed_take(pool, blocks, 40);
    expect_apart(40, 3008);
    for (unsigned i = 0; i < 40; i++) {
        memset(blocks[i], 'x', 3000);
    }
    fixed_give(pool, blocks + 10, 10);
    cr_assert_gt(sockmalloc_pool_trim(pool), 0);
    cr_assert_eq(((char *)blocks[9])[2999], 'x');
    cr_assert_eq(((char *)blocks[20])[0], 'x');
    cr_assert(reads_as_zero(blocks[15]));
    cr_assert_eq(sockmalloc_pool_trim(pool), 0, "purged pages are not purged again");
    fixed_take(pool, blocks + 10, 10);
    expect_apart(40, 3008);
}

Test(fixed, pinned_pool_keeps_all_memory)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, PAGE);
    os_failing_never();
    options.returned = SOCKMALLOC_POOL_AT_ONCE;
    struct sockmalloc_pool *pool = fixed_make(&options);
    cr_assert_eq(sockmalloc_pool_unpin(pool), -1);
    cr_assert_eq(sockmalloc_pool_pin(pool), 0);
    fixed_take(pool, blocks, 2);
    *(char *)blocks[0] = 'x';
    int index = sockmalloc_pool_index(pool, blocks[1]);
    char *base = sockmalloc_pool_base(pool, index);
    cr_assert_eq(base, blocks[0]);
    fixed_give(pool, blocks, 2);
    cr_assert_eq(sockmalloc_pool_trim(pool), 0);
    cr_assert_eq(*base, 'x');
    cr_assert_eq(sockmalloc_pool_base(pool, index), base);
    cr_assert_eq(sockmalloc_pool_unpin(pool), 0);
    cr_assert_gt(sockmalloc_pool_trim(pool), 0);
    cr_assert_null(sockmalloc_pool_base(pool, index));
    cr_assert_eq(sockmalloc_pool_index(pool, blocks[1]), -1);
}

static struct sockmalloc_pool *pinned;
static _Atomic int pin_answer;

static void *pin(void *unused)
{
    atomic_store(&pin_answer, sockmalloc_pool_pin(pinned));
    return unused;
}

/* Runs in the middle of a purge. A signal handler that interrupts the purging thread there cannot pin the pool, and
 * another thread waits until the purge is over. */
static void pin_during_a_purge(void)
{
    static pthread_t thread;
    CHECK(sockmalloc_pool_pin(pinned) == -1 && errno == EBUSY);
    CHECK(pthread_create(&thread, NULL, pin, NULL) == 0 && pthread_detach(thread) == 0);
    while (os_failing_waits() == 0 && atomic_load(&pin_answer) == EAGAIN) {
        sched_yield();
    }
    CHECK(atomic_load(&pin_answer) == EAGAIN);
}

Test(fixed, pin_comes_after_the_purge_that_is_under_way, .timeout = 60)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, PAGE);
    options.returned = SOCKMALLOC_POOL_AT_ONCE;
    os_failing_never();
    pinned = fixed_make(&options);
    atomic_store(&pin_answer, EAGAIN);
    fixed_take(pinned, blocks, 2);
    os_failing_at_discard(pin_during_a_purge);
    fixed_give(pinned, blocks, 1);
    while (atomic_load(&pin_answer) == EAGAIN) {
        sched_yield();
    }
    cr_assert_eq(atomic_load(&pin_answer), 0);
    cr_assert_null(crew_fault(), "%s", crew_fault());
    *(char *)blocks[1] = 'x';
    fixed_give(pinned, blocks + 1, 1);
    cr_assert_eq(*(char *)blocks[1], 'x');
}

static void unpin(unsigned thread)
{
    (void)thread;
    crew_meet();
    if (sockmalloc_pool_unpin(pinned) == 0) {
        atomic_fetch_add(&pin_answer, 1);
    }
}

Test(fixed, each_pin_is_removed_once, .timeout = 60)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, PAGE);
    os_failing_never();
    pinned = fixed_make(&options);
    for (unsigned round = 0; round < 2000; round++) {
        atomic_store(&pin_answer, 0);
        cr_assert_eq(sockmalloc_pool_pin(pinned), 0);
        crew_run(2, unpin);
        cr_assert_eq(atomic_load(&pin_answer), 1);
    }
}

static _Atomic unsigned looks;
static _Atomic unsigned purges;

static void look_for_a_purge(int number)
{
    (void)number;
    atomic_fetch_add(&looks, 1);
    atomic_fetch_add(&purges, atomic_load(&fixed_pool_of(pinned)->purging));
}

/* A free in a pinned pool must not count as a purge. A thread that pins a pool waits for purges that are under way,
 * so it would otherwise wait as long as other threads free blocks. Here a timer interrupts frees at any step, and
 * its handler looks if a purge is counted. */
Test(fixed, free_in_a_pinned_pool_is_no_purge, .timeout = 60)
{
    enum { LOOKS = 300, PERIOD = 500 }; /* PERIOD is in microseconds */
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, PAGE);
    options.returned = SOCKMALLOC_POOL_AT_ONCE;
    os_failing_never();
    pinned = fixed_make(&options);
    cr_assert_eq(sockmalloc_pool_pin(pinned), 0);
    cr_assert_eq(sigaction(SIGALRM, &(struct sigaction){.sa_handler = look_for_a_purge}, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &(struct itimerval){{0, PERIOD}, {0, PERIOD}}, NULL), 0);
    while (atomic_load(&looks) < LOOKS) {
        sockmalloc_pool_free(pinned, sockmalloc_pool_alloc(pinned));
    }
    cr_assert_eq(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL), 0);
    cr_assert_eq(atomic_load(&purges), 0);
}

static int add_length(void *context, int index, void *start, size_t length)
{
    struct sockmalloc_pool *pool = context;
    cr_assert_eq(sockmalloc_pool_base(pool, index), start);
    cr_assert_eq(sockmalloc_pool_index(pool, (char *)start + length - 1), index);
    return (int)(length / PAGE);
}

Test(fixed, chunks_are_shown)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_THREAD, PAGE);
    os_failing_never();
    struct sockmalloc_pool *pool = fixed_make(&options);
    cr_assert_eq(sockmalloc_pool_chunks(pool, add_length, pool), 0);
    fixed_take(pool, blocks, 1);
    cr_assert_eq(sockmalloc_pool_chunks(pool, add_length, pool), (int)fixed_figure(pool, "carved"));
    cr_assert_eq(sockmalloc_pool_chunks(pool, NULL, pool), -1);
}

/* --- where chunks come from --- */

/* The test's own memory, from which a pool gets chunks: where the next chunk begins, how many chunks were given back
 * and taken, by how many bytes chunks are moved from their alignment, and if there is no more memory. */
struct arena {
    char *next;
    size_t given, taken, shift;
    bool empty;
};

/* The allocation function of the test's own memory: returns memory that is aligned as requested, but `shift` bytes
 * further, and leaves a gap behind it. Returns NULL if the arena is `empty`. */
static void *arena_allocate(void *context, size_t size, size_t alignment)
{
    struct arena *arena = context;
    if (arena->empty) {
        return NULL;
    }
    char *start = arena->next + (alignment - (uintptr_t)arena->next % alignment) % alignment + arena->shift;
    arena->next = start + size + 64;
    arena->taken++;
    return start;
}

static void arena_release(void *context, void *start, size_t size)
{
    (void)start;
    (void)size;
    ((struct arena *)context)->given++;
}

Test(fixed, chunks_come_from_an_allocator_of_the_program, .timeout = 60)
{
    os_failing_never();
    for (int kind = 0; kind < FIXED_KINDS; kind++) {
        struct arena arena = {.next = os_map(64 << 20)};
        struct sockmalloc_pool_options options = fixed_options(kind, 1500);
        options.chunk = 20000;
        options.source = (struct sockmalloc_pool_source){arena_allocate, arena_release, &arena};
        struct sockmalloc_pool *pool = fixed_make(&options);
        fixed_take(pool, blocks, MANY);
        expect_apart(MANY, 1536);
        fixed_give(pool, blocks, MANY);
        cr_assert_eq(arena.taken, fixed_figure(pool, "chunks"));
        arena.empty = true;
        fixed_take(pool, blocks, MANY);
        while (sockmalloc_pool_alloc(pool) != NULL) {
        }
        cr_assert_eq(errno, ENOMEM);
        cr_assert_eq(fixed_figure(pool, "refusals"), 1);
        fixed_give(pool, blocks, MANY);
        sockmalloc_pool_trim(pool);
        cr_assert_eq(sockmalloc_pool_destroy(pool, SOCKMALLOC_POOL_ALL_THE_SAME), 0);
        cr_assert_eq(arena.given, arena.taken);
    }
}

Test(fixed, chunk_that_is_not_aligned_goes_back)
{
    struct arena arena = {.next = os_map(1 << 20), .shift = 8};
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_THREAD, 64);
    os_failing_never();
    options.source = (struct sockmalloc_pool_source){arena_allocate, arena_release, &arena};
    struct sockmalloc_pool *pool = fixed_make(&options);
    cr_assert_null(sockmalloc_pool_alloc(pool));
    cr_assert_eq(arena.given, 1);
}

Test(fixed, pool_serves_another_pool)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, 16 * PAGE);
    os_failing_never();
    struct sockmalloc_pool *below = fixed_make(&options);
    struct sockmalloc_pool_options upper = fixed_options(SOCKMALLOC_POOL_THREAD, 1000);
    upper.chunk = 16 * PAGE;
    cr_assert_eq(sockmalloc_pool_of_regions(below, &upper.source), 0);
    struct sockmalloc_pool *pool = fixed_make(&upper);
    fixed_take(pool, blocks, MANY);
    expect_apart(MANY, 1024);
    cr_assert_eq(fixed_figure(below, "live"), fixed_figure(pool, "chunks"));
    fixed_give(pool, blocks, MANY);
    cr_assert_eq(sockmalloc_pool_destroy(pool, 0), 0);
    fixed_expect(below, "live", 0);
    cr_assert_null(upper.source.allocate(below, 16 * PAGE + 1, 64));
    cr_assert_null(upper.source.allocate(below, PAGE, 2 * PAGE));
}

/* The kernel refuses two calls in a row. Either sockmalloc_pool_create fails with ENOMEM, or at least 36 of 40
 * allocations succeed and no block is lost. */
Test(fixed, kernel_may_refuse_any_call)
{
    for (unsigned call = 1; call < 12; call++) {
        os_failing_between(call, call + 1);
        struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_THREAD, PAGE);
        options.chunk = 4 * PAGE;
        struct sockmalloc_pool *pool = sockmalloc_pool_create(&options);
        if (pool == NULL) {
            cr_assert_eq(errno, ENOMEM);
            continue;
        }
        unsigned count = 0;
        for (unsigned i = 0; i < 40; i++) {
            blocks[count] = sockmalloc_pool_alloc(pool);
            count += blocks[count] != NULL;
        }
        cr_assert_geq(count, 36);
        fixed_expect(pool, "live", count);
        os_failing_every(2);
        sockmalloc_pool_trim(pool);
        fixed_give(pool, blocks, count);
        sockmalloc_pool_trim(pool);
        os_failing_never();
        fixed_expect(pool, "live", 0);
        sockmalloc_pool_destroy(pool, 0);
    }
}

/* --- blocks in use --- */

static unsigned shown;
static const void *shown_caller;

static int show(void *context, const struct sockmalloc_pool_use *use)
{
    shown++;
    shown_caller = use->caller;
    cr_assert_neq(*(char *)use->block, 'f');
    if (context != NULL) {
        sockmalloc_pool_free(context, use->block);
    }
    return 0;
}

Test(fixed, walk_shows_what_is_in_use)
{
    os_failing_never();
    for (unsigned i = 0; i < 2 * FIXED_KINDS; i++) {
        struct sockmalloc_pool_options options = fixed_options((int)i / 2, 700);
        options.flags = i % 2 == 0 ? 0 : SOCKMALLOC_POOL_IN_USE;
        struct sockmalloc_pool *pool = fixed_make(&options);
        fixed_take(pool, blocks, MANY);
        for (unsigned block = 0; block < MANY; block += 3) {
            *(char *)blocks[block] = 'f';
            sockmalloc_pool_free(pool, blocks[block]);
        }
        shown = 0;
        cr_assert_eq(sockmalloc_pool_each(pool, show, NULL), 0);
        cr_assert_eq(shown, MANY - MANY / 3);
        cr_assert_eq(shown_caller != NULL, i % 2 == 1);
        shown = 0;
        cr_assert_eq(sockmalloc_pool_each(pool, show, pool), 0, "the callback may free");
        cr_assert_eq(shown, MANY - MANY / 3);
        fixed_expect(pool, "live", 0);
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), 0);
    }
}

static int walk_again(void *context, const struct sockmalloc_pool_use *use)
{
    struct sockmalloc_pool *pool = context;
    cr_assert_eq(sockmalloc_pool_each(pool, show, NULL), -1);
    cr_assert_eq(errno, EBUSY);
    sockmalloc_pool_free(pool, use->block);
    for (unsigned i = 0; i < MANY; i++) {
        blocks[i] = sockmalloc_pool_alloc(pool);
        cr_assert_neq(blocks[i], use->block, "a block that a walk shows is not allocated again");
    }
    cr_assert_eq(sockmalloc_pool_trim(pool), 0);
    return 7;
}

Test(fixed, walk_holds_the_block_that_it_shows)
{
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_THREAD, PAGE);
    os_failing_never();
    options.flags = SOCKMALLOC_POOL_IN_USE;
    struct sockmalloc_pool *pool = fixed_make(&options);
    void *block = sockmalloc_pool_alloc(pool);
    cr_assert_eq(sockmalloc_pool_each(pool, walk_again, pool), 7);
    cr_assert_eq(sockmalloc_pool_alloc(pool), block, "after the walk the block is free");
}

static void expect_report(int from, const char *wanted)
{
    char text[8192] = "";
    ssize_t size = read(from, text, sizeof text - 1);
    cr_assert_gt(size, 0);
    cr_assert_not_null(strstr(text, wanted), "no `%s` in: %s", wanted, text);
}

Test(fixed, pool_with_blocks_in_use_is_not_destroyed)
{
    int ends[2];
    os_failing_never();
    cr_assert_eq(pipe(ends), 0);
    for (int kind = 0; kind < FIXED_KINDS; kind++) {
        struct sockmalloc_pool_options options = fixed_options(kind, 5000);
        options.flags = SOCKMALLOC_POOL_IN_USE;
        options.report = ends[1];
        struct sockmalloc_pool *pool = fixed_make(&options);
        char line[64];
        fixed_take(pool, blocks, 3);
        sockmalloc_pool_free(pool, blocks[1]);
        cr_assert_eq(sockmalloc_pool_destroy(pool, 0), -1);
        cr_assert_eq(errno, EBUSY);
        expect_report(ends[0], "end of what is in use: blocks 2");
        snprintf(line, sizeof line, "  %p  ", blocks[2]);
        cr_assert_eq(sockmalloc_pool_report(pool, ends[1]), 0);
        expect_report(ends[0], line);
        sockmalloc_pool_free(pool, blocks[0]);
        cr_assert_eq(sockmalloc_pool_destroy(pool, 2), -1);
        cr_assert_eq(sockmalloc_pool_destroy(pool, SOCKMALLOC_POOL_ALL_THE_SAME), 0);
        expect_report(ends[0], "ms  by ");
    }
}

/* A block seems to be allocated in the future here. This happens if another thread allocates a block after a report
 * has read the clock. The report must give the block's age as 0 ms. */
Test(fixed, report_knows_no_age_below_zero)
{
    int ends[2];
    struct sockmalloc_pool_options options = fixed_options(SOCKMALLOC_POOL_LOCKFREE, 64);
    os_failing_never();
    cr_assert_eq(pipe(ends), 0);
    options.flags = SOCKMALLOC_POOL_IN_USE;
    struct sockmalloc_pool *pool = fixed_make(&options);
    fixed_take(pool, blocks, 1);
    const struct fixed_pool *inside = fixed_pool_of(pool);
    atomic_fetch_add(&fixed_use(inside, fixed_number_at(inside, blocks[0]))->taken_at, UINT64_C(1) << 40);
    cr_assert_eq(sockmalloc_pool_report(pool, ends[1]), 0);
    expect_report(ends[0], "  0 ms  by ");
}

/* --- misuse --- */

static int misused_kind;
static unsigned misused_flags;

/* Makes one of six mistakes: frees a block twice, an address inside a block, a block of another pool, a block of a
 * destroyed pool, a block that was never allocated, or a block without a pool. */
static void misuse(void *argument)
{
    struct sockmalloc_pool_options options = fixed_options(misused_kind, 320);
    options.flags = misused_flags;
    struct sockmalloc_pool *pool = sockmalloc_pool_create(&options);
    struct sockmalloc_pool *other = sockmalloc_pool_create(&options);
    char *block = sockmalloc_pool_alloc(pool);
    switch (*(int *)argument) {
    case 0:
        sockmalloc_pool_free(pool, block);
        sockmalloc_pool_free(pool, block);
        return;
    case 1:
        sockmalloc_pool_free(pool, block + 64);
        return;
    case 2:
        sockmalloc_pool_free(other, block);
        return;
    case 3:
        sockmalloc_pool_destroy(pool, SOCKMALLOC_POOL_ALL_THE_SAME);
        sockmalloc_pool_free(pool, block);
        return;
    case 4:
        sockmalloc_pool_free(pool, block + 320);
        return;
    default:
        sockmalloc_pool_free(NULL, block);
    }
}

Test(fixed, misuse_ends_the_process_with_one_line, .timeout = 60)
{
    static const char *const lines[] = {"pool test: freed already", "interior address, 64 bytes into a block",
                                        "no block of this pool",    "no such pool",
                                        "pool test: freed already", "no such pool"};
    os_failing_never();
    for (misused_kind = 0; misused_kind < FIXED_KINDS; misused_kind++) {
        for (int way = 0; way < (int)(sizeof lines / sizeof lines[0]); way++) {
            misused_flags = way == 0 && misused_kind % 2 == 0 ? SOCKMALLOC_POOL_IN_USE : 0;
            capture_abort(misuse, &way, lines[way]);
        }
    }
}

Test(fixed, nothing_happens_without_a_pool)
{
    uint64_t value;
    struct sockmalloc_pool_source source;
    os_failing_never();
    sockmalloc_pool_free(NULL, NULL);
    cr_assert_null(sockmalloc_pool_alloc(NULL));
    cr_assert_eq(sockmalloc_pool_destroy(NULL, 0), -1);
    cr_assert_eq(sockmalloc_pool_trim(NULL), 0);
    cr_assert_eq(sockmalloc_pool_statistic(NULL, "live", &value), -1);
    cr_assert_eq(sockmalloc_pool_each(NULL, show, NULL), -1);
    cr_assert_eq(sockmalloc_pool_report(NULL, 2), -1);
    cr_assert_eq(sockmalloc_pool_pin(NULL), -1);
    cr_assert_eq(sockmalloc_pool_index(NULL, NULL), -1);
    cr_assert_null(sockmalloc_pool_base(NULL, 0));
    cr_assert_eq(sockmalloc_pool_of_regions(NULL, &source), -1);
    cr_assert_eq(errno, EINVAL);
}
