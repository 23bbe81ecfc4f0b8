/* These cases test blocks that are too large for the pools. Each has a mapping of its own. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"
#include "smaps.h"

enum { MIB = 1 << 20, PAGE = 4096, LARGE = 40 * MIB };

/* Returns a figure in KiB from /proc/self/status. */
static long status_of(const char *name)
{
    char line[256];
    long figure = -1;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            figure = atol(line + strlen(name) + 1);
        }
    }
    fclose(file);
    CHECK(figure >= 0);
    return figure;
}

static long faults(void)
{
    struct rusage usage;
    CHECK_EQUAL(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt;
}

/* mark writes to each page of the block from `from` to `to`, and check_marked tests later what mark wrote. The bytes
 * differ by page, so that a page at a wrong offset is found. */
static void mark(char *block, size_t from, size_t to)
{
    for (size_t at = from; at < to; at += PAGE) {
        block[at] = (char)(at / PAGE * 5 + 1);
    }
}

static void check_marked(const char *block, size_t to)
{
    for (size_t at = 0; at < to; at += PAGE) {
        if (block[at] != (char)(at / PAGE * 5 + 1)) {
            CHECK_EQUAL(at, to); /* if this fails, CHECK_EQUAL prints the offset of the first wrong page */
        }
    }
}

/*
 * For a block with a mapping of its own, neither calloc nor malloc makes a page resident, and free leaves none of the
 * block's memory behind.
 */
CASE(untouched_memory_costs_nothing)
{
    long resident = status_of("VmRSS"), mapped = status_of("VmSize"), before = faults();
    for (int round = 0; round < 100; round++) {
        char *block = check_hide(round % 2 == 0 ? calloc(1, (size_t)1 << 30) : malloc((size_t)1 << 30));
        CHECK(block != NULL && !pools_own(block));
        CHECK(block[round * PAGE] == 0);
        CHECK_EQUAL(malloc_usable_size(block), (size_t)1 << 30);
        free(block);
    }
    CHECK(faults() - before < 250);
    CHECK(status_of("VmRSS") - resident < 512);
    CHECK(status_of("VmSize") - mapped < 2048);
}

/* A block of 20 MiB, in a slot or in a mapping of its own, grows to 256 MiB in steps of any length. realloc moves its
 * pages and copies none, and no page is lost. */
CASE(growth_copies_no_page)
{
    size_t size = 20 * MIB;
    char *block = check_hide(malloc(size));
    CHECK(pools_own(block) == (atol(check_arguments[0]) > 20));
    mark(block, 0, size);
    long before = faults();
    while (size < 256 * (size_t)MIB) {
        size_t next = size + size / 4 + 3;
        block = check_hide(realloc(block, next));
        CHECK(block != NULL);
        CHECK(malloc_usable_size(block) >= next);
        size = next;
        block[size - 1] = 1;
    }
    check_marked(block, 20 * MIB);
    CHECK(faults() - before < 200);
    block = check_hide(realloc(block, 100 * MIB)); /* the block keeps its mapping */
    check_marked(block, 20 * MIB);
    block = check_hide(realloc(block, 100000)); /* the block moves into a slot */
    CHECK(pools_own(block));
    check_marked(block, 100000);
    free(block);
    pools_check_ledger();
    CHECK_EQUAL(pools_figure("live"), 0);
}

/* mallinfo2 counts each block that has a mapping of its own in hblks, and the bytes of such blocks in hblkhd, as glibc
 * does. */
CASE(mallinfo_counts_them)
{
    char *block = check_hide(malloc(LARGE + 1));
    struct mallinfo2 info = mallinfo2();
    CHECK_EQUAL(info.hblks, 1);
    CHECK_EQUAL(info.hblkhd, LARGE + PAGE);
    free(block);
    info = mallinfo2();
    CHECK_EQUAL(info.hblks, 0);
    CHECK_EQUAL(info.hblkhd, 0);
}

/* Blocks that would fit a slot get mappings of their own when the range of the pools has no more addresses for slots.
 * The range has at most 64 GiB. The runner sets SOCKMALLOC_MAX to 64 MiB, so that the pools serve blocks of SIZE, and
 * BLOCKS blocks of SIZE have more than 64 GiB together. */
CASE(full_range_serves_on)
{
    enum { BLOCKS = 1300, SIZE = 60 * MIB };
    static char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = check_hide(i % 2 == 0 ? malloc(SIZE) : calloc(1, SIZE));
        CHECK(blocks[i] != NULL);
        blocks[i][SIZE / 2] = 1;
    }
    CHECK(mallinfo2().hblks > BLOCKS / 10);
    CHECK(status_of("VmRSS") < 200 * 1024);
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    CHECK_EQUAL(mallinfo2().hblks, 0);
    pools_check_ledger();
}

CASE(alignments_hold)
{
    for (size_t alignment = 16; alignment <= (size_t)1 << 28; alignment *= 16) {
        char *block = aligned_alloc(alignment, LARGE);
        CHECK(block != NULL && (uintptr_t)block % alignment == 0);
        mark(block, 0, LARGE);
        block = check_hide(realloc(block, 2 * LARGE));
        check_marked(block, LARGE);
        free(block);
    }
}

CASE(sizes_that_no_memory_has)
{
    static const size_t sizes[] = {SIZE_MAX, PTRDIFF_MAX, (size_t)1 << 47, (size_t)1 << 60};
    char *block = check_hide(malloc(LARGE));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = check_hide_size(sizes[i]);
        errno = 0;
        CHECK(malloc(size) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(calloc(size / 2, 2) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(realloc(block, size) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(aligned_alloc(1 << 22, size & ~(((size_t)1 << 22) - 1)) == NULL && errno == ENOMEM);
    }
    free(block);
}

/*
 * The child of a fork inherits blocks that have mappings of their own, and can free and resize them. This does not
 * change the parent's blocks.
 */
CASE(children_have_their_own)
{
    char *block = check_hide(malloc(LARGE)), *other = check_hide(malloc(LARGE));
    mark(block, 0, LARGE);
    mark(other, 0, LARGE);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        check_marked(block, LARGE);
        block = check_hide(realloc(block, 3 * LARGE));
        check_marked(block, LARGE);
        memset(block, 'c', LARGE);
        free(block);
        free(other);
        free(check_hide(calloc(1, LARGE)));
        _exit(0);
    }
    int status;
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
    check_marked(block, LARGE);
    check_marked(other, LARGE);
    free(block);
    free(other);
}

static void *allocate_and_pass(void *shared)
{
    char *_Atomic *box = shared;
    for (int round = 0; round < 200; round++) {
        char *block = malloc(LARGE + (size_t)(round % 7) * PAGE);
        CHECK(block != NULL);
        block[0] = 1;
        block = __atomic_exchange_n((char **)box, check_hide(block), __ATOMIC_ACQ_REL);
        if (block != NULL && round % 3 == 0) {
            block = realloc(block, malloc_usable_size(block) + MIB);
            CHECK(block != NULL && block[0] == 1);
        }
        free(block);
    }
    return NULL;
}

/*
 * Threads free each other's blocks, each of which has a mapping of its own. As soon as a block is freed, the kernel may
 * map its addresses for a new block of another thread. The library's table of these blocks must not confuse the new
 * block with the freed one.
 */
CASE(threads_pass_blocks_on)
{
    enum { THREADS = 4 };
    static char *box;
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_create(&thread[i], NULL, allocate_and_pass, &box), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_join(thread[i], NULL), 0);
    }
    free(box);
}

/* mlockall locks all memory of the process. When a large block then moves out of its slot, the other blocks stay
 * locked. */
CASE(locked_memory_stays_locked)
{
    char *block = check_hide(malloc(4 * MIB)), *kept = check_hide(malloc(100000));
    CHECK(pools_own(block));
    mark(block, 0, 4 * MIB);
    mark(kept, 0, 100000);
    CHECK_EQUAL(mlockall(MCL_CURRENT), 0);
    CHECK(smaps_has_flag(kept, "lo"));
    block = check_hide(realloc(block, 48 * MIB));
    check_marked(block, 4 * MIB);
    CHECK(smaps_has_flag(kept, "lo"));
    free(block);
    free(kept);
}

static void *map_and_write(void *stop)
{
    enum { SIZE = 4 * MIB };
    while (!*(volatile bool *)stop) {
        char *pages = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        for (size_t at = 0; pages != MAP_FAILED && at < SIZE; at += MIB / 2) {
            /*
             * the process gets SIGSEGV here if the other thread, which tries to grow its block, has unmapped this page
             */
            ((volatile char *)pages)[at] = 1;
        }
        if (pages != MAP_FAILED) {
            munmap(pages, SIZE);
        }
    }
    return stop;
}

/* RLIMIT_DATA permits no mapping for the block, so realloc fails and the block stays in its slot. Meanwhile another
 * thread maps memory. The failed realloc must not unmap that memory. */
CASE(limit_touches_no_other_mapping)
{
    enum { TRIES = 1000 };
    static bool stop;
    pthread_t thread;
    char *block = check_hide(malloc(5 * MIB));
    CHECK(pools_own(block));
    mark(block, 0, 5 * MIB);
    CHECK_EQUAL(pthread_create(&thread, NULL, map_and_write, &stop), 0);
    size_t bytes = (size_t)status_of("VmData") * 1024 + 3 * MIB;
    CHECK_EQUAL(setrlimit(RLIMIT_DATA, &(struct rlimit){bytes, bytes}), 0);
    for (int i = 0; i < TRIES; i++) {
        CHECK(realloc(block, check_hide_size(33 * (size_t)MIB)) == NULL);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    check_marked(block, 5 * MIB);
    free(block);
}

/* Under a limit on address space, the library refuses a block that does not fit, and the other blocks stay intact. */
CASE(address_limit_refuses_and_serves_on)
{
    struct rlimit limit = {(size_t)512 * MIB, (size_t)512 * MIB};
    CHECK_EQUAL(setrlimit(RLIMIT_AS, &limit), 0);
    for (int round = 0; round < 3; round++) {
        char *block = check_hide(malloc(200 * MIB));
        CHECK(block != NULL);
        mark(block, 0, MIB);
        CHECK(malloc((size_t)check_hide_size(600 * (size_t)MIB)) == NULL);
        CHECK(realloc(block, (size_t)check_hide_size(600 * (size_t)MIB)) == NULL);
        check_marked(block, MIB);
        char *slot = check_hide(malloc(70000));
        CHECK(slot != NULL);
        free(slot);
        free(block);
    }
}
