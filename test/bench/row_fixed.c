/* Measures the rows `fixed` and `crowd`: the speed of fixed-size pools (sockmalloc_pool_*), compared with malloc and
 * with GLib's and APR's pools. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * In the row `fixed` the program allocates some blocks of one size, writes a byte into each, and frees them in the same
 * order. The first figure is the time by sockmalloc_pool_alloc and _free or, under another allocator, by malloc and
 * free. The other figures are ratios of that time to the times by the process's malloc, by GLib's slices and by APR's
 * allocator. The four are run in turn for a few microseconds each, and a ratio is the median over all turns, so that
 * other load on the machine does not change it. In the row `crowd` eight threads do the same with one pool, once for
 * each kind of pool, and at last with malloc; the figures are the wall-clock time and the processor time of an
 * allocation and its free.
 */
#include "bench.h"
#include "clock.h"
#include "processor.h"
#include "touch.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sockmalloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* These functions are declared weak, because the program is not linked with sockmalloc: they are NULL unless sockmalloc
 * is preloaded. */
#pragma weak sockmalloc_pool_create
#pragma weak sockmalloc_pool_alloc
#pragma weak sockmalloc_pool_free

enum {
    MOST_LIVE = 4096,
    TURNS = 1500,
    PAIRS_IN_TURN = 1024,
    THREADS = 8,
    CROWD_LIVE = 16,
    CROWD_ROUNDS = 50000,
    NODE = 40
};

static struct sockmalloc_pool *pool;
static size_t size;
static void *blocks[MOST_LIVE];

static struct sockmalloc_pool *open_pool(int kind)
{
    struct sockmalloc_pool_options options = SOCKMALLOC_POOL_OPTIONS;
    if (sockmalloc_pool_create == NULL)
        return NULL;
    options.block = size;
    options.kind = kind;
    options.alignment = size % 4096 == 0 ? SOCKMALLOC_POOL_BY_PAGE : SOCKMALLOC_POOL_BY_LINE;
    struct sockmalloc_pool *opened = sockmalloc_pool_create(&options);
    if (opened == NULL)
        bench_fail("sockmalloc_pool_create");
    return opened;
}

/* --- what serves the blocks --- */

static void *(*slice_alloc)(size_t);
static void (*slice_free)(size_t, void *);
static void *(*apr_alloc)(void *, size_t);
static void (*apr_free)(void *, void *);
static void *apr;

static void open_glib(void)
{
    void *glib = dlopen("libglib-2.0.so.0", RTLD_NOW);
    if (glib == NULL)
        return;
    slice_alloc = (void *(*)(size_t))dlsym(glib, "g_slice_alloc");
    slice_free = (void (*)(size_t, void *))dlsym(glib, "g_slice_free1");
}

static void open_apr(void)
{
    void *library = dlopen("libapr-1.so.0", RTLD_NOW);
    if (library == NULL)
        return;
    int (*initialize)(void) = (int (*)(void))dlsym(library, "apr_initialize");
    int (*create)(void **) = (int (*)(void **))dlsym(library, "apr_allocator_create");
    apr_alloc = (void *(*)(void *, size_t))dlsym(library, "apr_allocator_alloc");
    apr_free = (void (*)(void *, void *))dlsym(library, "apr_allocator_free");
    if (initialize == NULL || initialize() != 0 || create == NULL || create(&apr) != 0)
        apr = NULL;
}

/* Each function that this macro defines has its own loop, so that the loop calls the allocator directly and not by a
 * pointer. */
#define TURN(name, allocation, deallocation)                                                                           \
    static __attribute__((noinline)) void name(size_t live)                                                            \
    {                                                                                                                  \
        for (size_t round = 0; round < PAIRS_IN_TURN / live + 1; round++) {                                            \
            for (size_t i = 0; i < live; i++)                                                                          \
                touch_first(blocks[i] = (allocation));                                                                 \
            for (size_t i = 0; i < live; i++)                                                                          \
                deallocation;                                                                                          \
        }                                                                                                              \
    }
TURN(turn_of_pool, sockmalloc_pool_alloc(pool), sockmalloc_pool_free(pool, blocks[i]))
TURN(turn_of_malloc, malloc(size), free(blocks[i]))
TURN(turn_of_glib, slice_alloc(size), slice_free(size, blocks[i]))
/* apr_alloc returns a node whose first NODE bytes are APR's own record, so the program's bytes begin behind that. */
TURN(turn_of_apr, (char *)apr_alloc(apr, size) + NODE, apr_free(apr, (char *)blocks[i] - NODE))

/* --- the row `fixed` --- */

enum server { POOL, MALLOC, GLIB, APR, SERVERS };
static const char *const names[SERVERS] = {"", ".to_malloc", ".to_glib", ".to_apr"};

static double measure_turn(enum server server, size_t live)
{
    static void (*const turns[SERVERS])(size_t) = {turn_of_pool, turn_of_malloc, turn_of_glib, turn_of_apr};
    int64_t start = clock_wall();
    turns[server](live);
    return (double)(clock_wall() - start) / (double)((PAIRS_IN_TURN / live + 1) * live);
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof values[0], compare);
    return values[count / 2];
}

static void report(const char *argument, const char *suffix, double value, const char *unit)
{
    char name[64];
    snprintf(name, sizeof name, "fixed.%slive%s", argument, suffix);
    bench_report(name, value, unit);
}

void row_fixed(const char *argument)
{
    static double figures[SERVERS][TURNS];
    char *point;
    size = strtoul(argument, &point, 10);
    size_t live = bench_number(point + (*point == '.'));
    if (live > MOST_LIVE)
        bench_fail("too many blocks");
    pool = open_pool(SOCKMALLOC_POOL_THREAD);
    open_glib();
    open_apr();
    bool has[SERVERS] = {pool != NULL, true, slice_alloc != NULL && slice_free != NULL, apr != NULL};
    for (unsigned turn = 0; turn < 2 * TURNS; turn++)
        for (enum server server = POOL; server < SERVERS; server++)
            /* the first half of the turns is a warm-up, so its figures are overwritten by those of the second half */
            if (has[server])
                figures[server][turn % TURNS] = measure_turn(server, live);
    for (enum server server = MALLOC; server < SERVERS; server++)
        for (unsigned turn = 0; turn < TURNS; turn++)
            if (has[server] && pool != NULL)
                figures[server][turn] = figures[POOL][turn] / figures[server][turn];
    report(argument, "", median(figures[pool != NULL ? POOL : MALLOC], TURNS), "ns");
    for (enum server server = MALLOC; server < SERVERS; server++)
        report(argument, names[server], has[server] && pool != NULL ? median(figures[server], TURNS) : NAN, "ratio");
}

/* --- the row `crowd` --- */

static pthread_barrier_t barrier;

static void *crowd(void *argument)
{
    void *mine[CROWD_LIVE];
    pthread_barrier_wait(&barrier);
    for (unsigned round = 0; round < CROWD_ROUNDS; round++) {
        for (unsigned i = 0; i < CROWD_LIVE; i++)
            touch_first(mine[i] = pool != NULL ? sockmalloc_pool_alloc(pool) : malloc(size));
        for (unsigned i = 0; i < CROWD_LIVE; i++)
            pool != NULL ? sockmalloc_pool_free(pool, mine[i]) : free(mine[i]);
    }
    return argument;
}

static void measure_crowd(const char *kind)
{
    pthread_t threads[THREADS];
    char name[64];
    const double pairs = (double)THREADS * CROWD_ROUNDS * CROWD_LIVE;
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (unsigned i = 0; i < THREADS; i++)
        if ((errno = pthread_create(&threads[i], NULL, crowd, NULL)) != 0)
            bench_fail("crowd: pthread_create");
    int64_t busy = clock_read(CLOCK_PROCESS_CPUTIME_ID);
    int64_t wall = clock_wall();
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    wall = clock_wall() - wall;
    busy = clock_read(CLOCK_PROCESS_CPUTIME_ID) - busy;
    snprintf(name, sizeof name, "crowd.%s", kind);
    bench_report(name, (double)wall / pairs, "ns");
    snprintf(name, sizeof name, "crowd.%s.busy", kind);
    bench_report(name, (double)busy / pairs, "ns");
}

void row_crowd(const char *argument)
{
    static const char *const kinds[] = {"thread", "lockfree", "standard", "cpu"};
    (void)argument;
    size = 4096;
    for (int kind = SOCKMALLOC_POOL_THREAD; kind <= SOCKMALLOC_POOL_CPU; kind++) {
        pool = open_pool(kind);
        measure_crowd(kinds[kind]);
    }
    pool = NULL;
    measure_crowd("malloc");
}
