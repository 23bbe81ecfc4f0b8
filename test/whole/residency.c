/* These cases compare the resident bytes in the library's statistics with the kernel's figures for the range of the
 * pools. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <sockmalloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"
#include "smaps.h"

#pragma weak sockmalloc_trim

/* two buckets below SOCKMALLOC_LARGE, and one of the buckets above, which are called the large pool */
static const unsigned buckets[] = {2, 4, 6};
enum { SAMPLED = sizeof buckets / sizeof buckets[0] };

/*
 * One block of each bucket in the array `buckets`. The kernel is asked for the figures of the mapping in which these
 * blocks lie.
 */
static char *landmarks[SAMPLED];

static void touch(char *block, size_t size)
{
    for (size_t at = 0; at < size; at += 4096) {
        block[at] = 1;
    }
}

static void set_landmarks(void)
{
    for (unsigned i = 0; i < SAMPLED; i++) {
        landmarks[i] = malloc(pools_size(buckets[i]));
        CHECK(pools_own(landmarks[i]));
        touch(landmarks[i], pools_size(buckets[i]));
    }
}

struct figures {
    uint64_t live;
    uint64_t free;
    uint64_t purged;
    uint64_t all;
};

static struct figures ask_library(unsigned i)
{
    return (struct figures){.live = pools_bucket_figure(buckets[i], "resident_live"),
                            .free = pools_bucket_figure(buckets[i], "resident_free"),
                            .purged = pools_bucket_figure(buckets[i], "resident_purged"),
                            .all = pools_bucket_figure(buckets[i], "resident")};
}

static void check_figures(unsigned i, uint64_t live, uint64_t free_bytes, uint64_t purged)
{
    struct figures figures = ask_library(i);
    CHECK_EQUAL(figures.live, live);
    CHECK_EQUAL(figures.free, free_bytes);
    CHECK_EQUAL(figures.purged, purged);
    CHECK_EQUAL(figures.all, live + free_bytes + purged);
}

/* Returns how many bytes of the pools' range are in memory, by the kernel's figures. */
static uint64_t ask_kernel(void)
{
    return smaps_figure(landmarks[0], "Rss");
}

static uint64_t ask_library_for_all(void)
{
    uint64_t all = 0;
    for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
        all += pools_bucket_figure(bucket, "resident");
    }
    return all;
}

static void check_by_kernel(void)
{
    uint64_t resident = ask_kernel();
    CHECK_EQUAL(ask_library_for_all(), resident);
}

/* While no thread works, the resident bytes in the statistics are exactly the kernel's figures, whatever was allocated,
 * freed and purged before. */
CASE(at_rest)
{
    enum { BLOCKS = 10 };
    static char *blocks[SAMPLED][BLOCKS];
    set_landmarks();
    for (unsigned i = 0; i < SAMPLED; i++) {
        size_t size = pools_size(buckets[i]);
        for (unsigned j = 0; j < BLOCKS; j++) {
            blocks[i][j] = malloc(size);
            touch(blocks[i][j], size);
        }
        check_figures(i, (BLOCKS + 1) * size, 0, 0);
    }
    check_by_kernel();
    for (unsigned i = 0; i < SAMPLED; i++) {
        size_t size = pools_size(buckets[i]);
        for (unsigned j = 0; j < 6; j++) {
            free(blocks[i][j]);
        }
        check_figures(i, (BLOCKS - 5) * size, 6 * size, 0);
    }
    check_by_kernel();
    CHECK(sockmalloc_trim(SIZE_MAX) > 0);
    for (unsigned i = 0; i < SAMPLED; i++) {
        struct figures figures = ask_library(i);
        CHECK_EQUAL(figures.live, (BLOCKS - 5) * pools_size(buckets[i]));
        CHECK_EQUAL(figures.purged, 0);
    }
    check_by_kernel();
}

/* The program writes to memory that it has freed and that the library has purged. The statistics then show resident
 * pages in purged slots. */
CASE(write_after_purge)
{
    enum { LARGE = 2 };
    set_landmarks();
    size_t size = pools_size(buckets[LARGE]);
    char *block = malloc(size);
    touch(block, size);
    free(block);
    CHECK(sockmalloc_trim(SIZE_MAX) >= size);
    check_figures(LARGE, size, 0, 0);
    block = check_hide(block);
    block[3 * 4096] = 1;
    check_figures(LARGE, size, 0, 4096);
    check_by_kernel();
}

/* --- under load ------------------------------------------------------------------------ */

enum { CHURNERS = 2, HELD = 250, ROUNDS = 20, TRIES = 1000 };

static pthread_barrier_t filled;
static atomic_bool over;

static char *take_touched(size_t size)
{
    char *block = malloc(size);
    CHECK(block != NULL);
    touch(block, size);
    return block;
}

/* Keeps HELD live blocks of each bucket that the array `buckets` names, and replaces random ones of these blocks. */
static void *churn(void *number)
{
    static char *held[CHURNERS][SAMPLED][HELD];
    char *(*own)[HELD] = held[(uintptr_t)number];
    for (unsigned at = 0; at < SAMPLED * HELD; at++) {
        own[at % SAMPLED][at / SAMPLED] = take_touched(pools_size(buckets[at % SAMPLED]));
    }
    pthread_barrier_wait(&filled);
    uint32_t random = (uint32_t)(uintptr_t)number + 1;
    while (!atomic_load(&over)) {
        random = random * 1103515245 + 12345;
        unsigned i = (random >> 8) % SAMPLED;
        char **place = &own[i][(random >> 16) % HELD];
        free(*place);
        *place = take_touched(pools_size(buckets[i]));
    }
    return NULL;
}

/* Returns the figure `key` of a bucket from a dump in JSON. */
static uint64_t read_figure(const char *text, unsigned bucket, const char *key)
{
    char words[48];
    snprintf(words, sizeof words, "\"bucket\":\"%s\"", pools_labels[bucket]);
    const char *row = strstr(text, words);
    snprintf(words, sizeof words, "\"%s\":", key);
    const char *figure = row != NULL ? strstr(row, words) : NULL;
    check_that(figure != NULL, key, __FILE__, __LINE__);
    return strtoull(figure + strlen(words), NULL, 10);
}

/* Writes a dump in JSON, and stores in `figures` the dump's figures of each bucket in the array `buckets`. */
static void take_dump(struct figures figures[SAMPLED])
{
    static char text[32768];
    int file = memfd_create("dump", MFD_CLOEXEC);
    CHECK(file >= 0);
    CHECK_EQUAL(pools_dump_as(file, "json"), 0);
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    CHECK(length > 0 && close(file) == 0);
    text[length] = '\0';
    for (unsigned i = 0; i < SAMPLED; i++) {
        figures[i] = (struct figures){.all = read_figure(text, buckets[i], "resident"),
                                      .live = read_figure(text, buckets[i], "resident_live"),
                                      .free = read_figure(text, buckets[i], "resident_free"),
                                      .purged = read_figure(text, buckets[i], "resident_purged")};
    }
}

/* Returns true if two figures differ by at most `thousandths` thousandths of the larger one. */
static bool is_near(uint64_t one, uint64_t other, unsigned thousandths)
{
    uint64_t low = one < other ? one : other;
    uint64_t high = one < other ? other : one;
    return (high - low) * 1000 <= high * thousandths;
}

/*
 * Reads the kernel's figure for the resident bytes, writes a dump, and reads the figure again. Compares the dump with
 * both readings. Returns false without a comparison if the readings differ by more than half of the error that is
 * permitted for the dump.
 */
static bool compare_once(void)
{
    struct figures figures[SAMPLED];
    uint64_t all = 0;
    uint64_t before = ask_kernel();
    take_dump(figures);
    uint64_t after = ask_kernel();
    if (!is_near(before, after, 5)) {
        return false;
    }
    for (unsigned i = 0; i < SAMPLED; i++) {
        uint64_t held = (CHURNERS * HELD + 1) * pools_size(buckets[i]);
        all += figures[i].all;
        CHECK_EQUAL(figures[i].all, figures[i].live + figures[i].free + figures[i].purged);
        CHECK(is_near(figures[i].live, held, 20));
        CHECK(figures[i].purged * 100 <= figures[i].all);
    }
    /* only the buckets in the array `buckets` have resident pages, so the sum of their resident bytes must be near the
     * kernel's figure */
    CHECK(is_near(all, before, 10) || is_near(all, after, 10));
    return true;
}

CASE(under_load)
{
    pthread_t threads[CHURNERS];
    unsigned rounds = 0;
    set_landmarks();
    CHECK_EQUAL(pthread_barrier_init(&filled, NULL, CHURNERS + 1), 0);
    for (uintptr_t i = 0; i < CHURNERS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
    }
    pthread_barrier_wait(&filled);
    for (unsigned try = 0; rounds < ROUNDS && try < TRIES; try++) {
        rounds += compare_once();
        /* the threads work on during this trim, so some of the purged pages become resident again at once */
        sockmalloc_trim(SIZE_MAX);
    }
    CHECK_EQUAL(rounds, ROUNDS);
    atomic_store(&over, true);
    check_join(threads, CHURNERS);
    check_by_kernel();
    pools_check_ledger();
}
