/*
 * This program has the library preloaded, and forges the counters that the library keeps in the program's memory. With
 * its help the runner tests the programs that read these counters from outside. The runner writes orders to the stdin
 * of this program, one in each line.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "buffers/fixed_pool.h"
#include "buffers/message_thread.h"
#include "check.h"
#include "memory/region.h"
#include "statistics/inspect_export.h"

/*
 * The library has its counters in several objects, and lists the addresses of these objects for the programs that read
 * them. To forge an object, this program copies the object to a shadow, changes the shadow, and puts the shadow's
 * address into the list. The library itself still uses the original object. The page after each shadow cannot be read.
 * The dynamic linker's list of loaded objects is changed in place.
 */
enum { THREADS = 3, SHADOW_SIZE = 256 << 10, PAGE = 4096, DEPTH_MAX = 6 };

static struct inspect_export *view;
static struct inspect_export honest;
static char *shadow[INSPECT_OBJECTS];
static char *plain; /* address space of 256 GiB, which is larger than the machine's memory; all of it reads as zero */

#define PLAIN_SIZE ((size_t)1 << 38)

/* Address space that is full of one letter, and larger than any table in a program that reads the counters. It needs
 * only 2 MiB of memory, which are mapped FLOOD_PIECES times in a row. */
static char *flood;
enum { FLOOD_PIECE = 2 << 20, FLOOD_PIECES = 64 };

static void make_flood(void)
{
    int file = memfd_create("flood", MFD_CLOEXEC);
    CHECK(file >= 0 && ftruncate(file, FLOOD_PIECE) == 0);
    flood =
        mmap(NULL, (size_t)FLOOD_PIECE * FLOOD_PIECES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < FLOOD_PIECES; i++) {
        CHECK(mmap(flood + i * FLOOD_PIECE, FLOOD_PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) !=
              MAP_FAILED);
    }
    close(file);
    memset(flood, 'A', FLOOD_PIECE);
}

/* --- the honest state --- */

static void *take_and_stay(void *argument)
{
    static const size_t sizes[] = {5000, 9000, 20000, 70000, 300000, 5000};
    pthread_barrier_t *barrier = argument;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *kept = malloc(sizes[i]);
        char *freed = malloc(sizes[i]);
        CHECK(kept != NULL && freed != NULL);
        kept[0] = freed[0] = 1;
        free(check_hide(freed));
    }
    pthread_barrier_wait(barrier);
    pause();
    return NULL;
}

static void fill_the_pools(void)
{
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK_EQUAL(pthread_create(&thread, NULL, take_and_stay, &barrier), 0);
    }
    pthread_barrier_wait(&barrier);
}

/* --- the fixed-size pools --- */

#pragma weak sockmalloc_message_alloc
#pragma weak sockmalloc_message_free
#pragma weak sockmalloc_message_open
#pragma weak sockmalloc_ring_alloc
#pragma weak sockmalloc_ring_create
#pragma weak sockmalloc_pool_create
#pragma weak sockmalloc_pool_alloc
#pragma weak sockmalloc_pool_free

enum { POOLS = SOCKMALLOC_POOL_CPU + 1, POOL_WORDS = sizeof(struct fixed_pool) / sizeof(uint64_t), TABLE_WORDS = 512 };

/* The records of the fixed-size pools, and their tables, are in the library's own memory. They are changed in place,
 * because this program never uses its pools again. `undone` keeps the former value of each word. */
static struct fixed_pool *pool_records;
static struct {
    uint64_t *at;
    uint64_t was;
} undone[POOLS * POOL_WORDS];
static unsigned undo_count;

static void make_pools(void)
{
    for (int kind = 0; kind < POOLS; kind++) {
        struct sockmalloc_pool_options made = SOCKMALLOC_POOL_OPTIONS;
        void *block[100];
        made.block = 5000;
        made.name = "forged";
        made.kind = kind;
        struct sockmalloc_pool *pool = sockmalloc_pool_create(&made);
        for (unsigned i = 0; i < 100; i++) {
            block[i] = sockmalloc_pool_alloc(pool);
        }
        for (unsigned i = 0; i < 50; i++) {
            sockmalloc_pool_free(pool, block[i]);
        }
    }
}

/*
 * Allocates messages and a ring, so that the library also has counters of these, which can be forged as all others are.
 */
static void make_messages_and_ring(void)
{
    static _Alignas(SOCKMALLOC_RING_ALIGNMENT) char memory[1 << 14];
    struct sockmalloc_message_options pages = SOCKMALLOC_MESSAGE_OPTIONS;
    struct sockmalloc_ring_options chunks = {.size = sizeof chunks, .chunk_size = 128, .name = "forged ring"};
    pages.name = "forged pages";
    struct sockmalloc_message *messages = sockmalloc_message_open(&pages);
    for (unsigned i = 0; i < 100; i++) {
        void *message = sockmalloc_message_alloc(messages, 1000, 0);
        if (i > 0) {
            sockmalloc_message_free(messages, message);
        }
    }
    CHECK(sockmalloc_ring_alloc(sockmalloc_ring_create(memory, sizeof memory, &chunks), 1000, 0) != NULL);
}

static void forge_in_place(uint64_t *at, uint64_t value)
{
    if (undo_count < sizeof undone / sizeof *undone) {
        undone[undo_count].at = at;
        undone[undo_count++].was = *at;
        *at = value;
    }
}

static void restore_pools(void)
{
    while (undo_count > 0) {
        undo_count--;
        *undone[undo_count].at = undone[undo_count].was;
    }
}

/* Sets all words of all pool records to `value`, but not the first word of each record: without the right first word,
 * readers do not take the record for a pool. */
static void forge_pools(uint64_t value)
{
    for (unsigned i = 0; i < POOLS; i++) {
        for (unsigned word = 1; word < POOL_WORDS; word++) {
            forge_in_place((uint64_t *)(void *)&pool_records[i] + word, value);
        }
    }
}

static void forge_pool_name(void)
{
    static const char name[] = "\033]0;title\007\n\xc2\x9b\"\\X";
    uint64_t words[sizeof pool_records->name / sizeof(uint64_t)] = {0};
    memcpy(words, name, sizeof name);
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        forge_in_place((uint64_t *)(void *)pool_records->name + i, words[i]);
    }
}

static void prepare(void)
{
    make_flood();
    make_pools();
    make_messages_and_ring();
    view = dlsym(RTLD_DEFAULT, "sockmalloc_view");
    CHECK(view != NULL);
    honest = *view;
    pool_records = *(struct fixed_pool *const *)honest.object[INSPECT_FIXED].start;
    for (int i = 0; i < INSPECT_OBJECTS; i++) {
        CHECK(honest.object[i].size <= SHADOW_SIZE);
        char *place = mmap(NULL, SHADOW_SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(place != MAP_FAILED && mprotect(place + SHADOW_SIZE, PAGE, PROT_NONE) == 0);
        /* the shadow ends where its mapping ends or, because of the shadow's alignment, at most 63 bytes before that
         * end */
        shadow[i] = place + (SHADOW_SIZE - honest.object[i].size) / 64 * 64;
    }
    plain = mmap(NULL, PLAIN_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(plain != MAP_FAILED);
}

/* --- the dynamic linker's list --- */

static struct link_map *changed;
static struct link_map unchanged;

static void restore(void)
{
    *view = honest;
    restore_pools();
    if (changed != NULL) {
        *changed = unchanged;
        changed = NULL;
    }
    prctl(PR_SET_NAME, "forger");
}

/* --- what is forged --- */

/*
 * The library lists the addresses of the objects that have its counters. Copies the object with the number `which` to a
 * shadow, which this program may change. Replaces the object's address in the list by the shadow's. Returns the shadow.
 */
static void *forge(unsigned which)
{
    if (view->object[which].start != shadow[which]) {
        memcpy(shadow[which], honest.object[which].start, honest.object[which].size);
        view->object[which].start = shadow[which];
    }
    return shadow[which];
}

static void forge_bytes(unsigned which, int byte)
{
    memset(forge(which), byte, honest.object[which].size);
}

static void forge_word(unsigned which, size_t number, uint64_t value)
{
    size_t at = number * sizeof value;
    size_t left = honest.object[which].size - at;
    memcpy((char *)forge(which) + at, &value, left < sizeof value ? left : sizeof value);
}

static size_t words_of(unsigned which)
{
    return (honest.object[which].size + sizeof(uint64_t) - 1) / sizeof(uint64_t);
}

/* Forges a range of slots that seems to have no end, and in which all slots have length 0. A reader that walks through
 * this range slot by slot would need days. */
static void forge_endless(void)
{
    struct region *forged = forge(INSPECT_REGIONS);
    memset(forged->geometry, 0, sizeof forged->geometry);
    for (size_t i = 0; i < words_of(INSPECT_RANGE); i++) {
        forge_word(INSPECT_RANGE, i, UINT64_MAX);
    }
}

/* Forges slots of length 0. The start and the end of their range remain true. */
static void forge_flat(void)
{
    struct region *forged = forge(INSPECT_REGIONS);
    memset(forged->geometry, 0, sizeof forged->geometry);
}

/* Forges a count of thread caches that is larger than the library's maximum. */
static void forge_throng(void)
{
    forge_word(INSPECT_CACHES, 0, (uintptr_t)plain);
    forge_word(INSPECT_OPENED, 0, 40000);
}

/* Forges a count of thread caches that is the library's maximum. Their records lie in address space that reads as zero
 * and needs no memory. */
static void forge_crowd(void)
{
    forge_word(INSPECT_CACHES, 0, (uintptr_t)plain);
    forge_word(INSPECT_OPENED, 0, 32767);
}

/* --- random forgeries --- */

static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = (state ^ (state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % below;
}

/* Returns a random number that is to replace the number `now`. The numbers are chosen so that they often reveal faults:
 * some are near 0, some are powers of two, and so on. */
static uint64_t draw_number(uint64_t now)
{
    switch (draw(10)) {
    case 0:
        return draw(4);
    case 1:
        return UINT64_MAX - draw(3);
    case 2:
        return UINT64_C(1) << draw(64);
    case 3:
        return (UINT64_C(1) << draw(64)) - 1;
    case 4:
        return now + draw(3) - 1;
    case 5:
        return now ^ UINT64_C(1) << draw(64);
    case 6:
        return (uintptr_t)plain + draw(2) * draw(PLAIN_SIZE);
    case 7:
        return (uintptr_t)shadow[draw(INSPECT_OBJECTS)] + draw(SHADOW_SIZE);
    case 8:
        return draw(2) * UINT64_C(0xffffffff) + draw(65536);
    default:
        return draw(UINT64_MAX);
    }
}

static void draw_word(unsigned which)
{
    size_t number = draw(words_of(which));
    uint64_t now = 0;
    size_t left = honest.object[which].size - number * sizeof now;
    memcpy(&now, (char *)forge(which) + number * sizeof now, left < sizeof now ? left : sizeof now);
    forge_word(which, number, draw_number(now));
}

static void draw_half_word(unsigned which)
{
    size_t halves = honest.object[which].size / sizeof(uint32_t);
    char *at = (char *)forge(which) + draw(halves) * sizeof(uint32_t);
    uint32_t now;
    memcpy(&now, at, sizeof now);
    now = (uint32_t)draw_number(now);
    memcpy(at, &now, sizeof now);
}

static void draw_bytes(unsigned which)
{
    char *bytes = forge(which);
    for (uint64_t left = 1 + draw(16); left > 0; left--) {
        bytes[draw(honest.object[which].size)] = (char)draw(256);
    }
}

static void draw_place(unsigned which)
{
    switch (draw(4)) {
    case 0:
        view->object[which].start = (void *)(uintptr_t)draw_number((uintptr_t)shadow[which]);
        break;
    case 1:
        view->object[which].size = draw_number(honest.object[which].size);
        break;
    case 2:
        /* changes the object's address in the list so that a reader would find the object's end on the page that cannot
         * be read */
        view->object[which].start = (char *)forge(which) + 64 * draw(64);
        break;
    default:
        view->object[which] = honest.object[draw(INSPECT_OBJECTS)];
    }
}

/* Changes a random byte at the start of the list of the objects in which the library has counters. Leaves the list's
 * magic number, by which a reader finds the list. */
static void draw_head(void)
{
    char *bytes = (char *)view + INSPECT_MAGIC_SIZE;
    bytes[draw(offsetof(struct inspect_export, object) - INSPECT_MAGIC_SIZE)] = (char)draw(256);
}

static void draw_link(void)
{
    struct link_map *map = _r_debug.r_map;
    if (changed != NULL) {
        /* the dynamic linker's list of loaded objects is changed already, and cannot be followed safely any more */
        return;
    }
    for (uint64_t steps = draw(5); steps > 0 && map->l_next != NULL; steps--) {
        map = map->l_next;
    }
    changed = map;
    unchanged = *map;
    uint64_t *words[] = {(uint64_t *)(void *)&map->l_addr, (uint64_t *)(void *)&map->l_name,
                         (uint64_t *)(void *)&map->l_ld, (uint64_t *)(void *)&map->l_next};
    uint64_t *word = words[draw(4)];
    /* makes a word of the dynamic linker's list point to its own entry (a circle), to a huge range of zeros, to a
     * forged object, or to a random address */
    uint64_t values[] = {(uintptr_t)map, (uintptr_t)plain, (uintptr_t)forge(INSPECT_OPTIONS), draw_number(*word)};
    *word = values[draw(4)];
}

static void draw_name(void)
{
    char name[16];
    for (unsigned i = 0; i < sizeof name; i++) {
        name[i] = (char)draw(256);
    }
    prctl(PR_SET_NAME, name);
}

/* Forges a pool's table that is much larger than the reader expects, and that can be read to its end. */
static void draw_large_table(struct fixed_pool *pool)
{
    static const struct {
        size_t count, table;
    } parts[] = {{offsetof(struct fixed_pool, chunks), offsetof(struct fixed_pool, chunk)},
                 {offsetof(struct fixed_pool, chunks), offsetof(struct fixed_pool, place)},
                 {offsetof(struct fixed_pool, caches), offsetof(struct fixed_pool, cache)},
                 {offsetof(struct fixed_pool, magazines), offsetof(struct fixed_pool, magazine)},
                 {offsetof(struct fixed_pool, processors), offsetof(struct fixed_pool, processor)}};
    uint64_t part = draw(sizeof parts / sizeof *parts);
    uint64_t *words = (uint64_t *)(void *)pool;
    forge_in_place(words + parts[part].count / sizeof *words, UINT64_C(0x3fffff0003fffff) << draw(8));
    forge_in_place(words + parts[part].table / sizeof *words, (uintptr_t)(draw(2) == 0 ? plain : flood));
}

/* Makes a circle of the list of threads that use message pages: the list's only record names itself as the next one. */
static void draw_circle(void)
{
    static struct message_thread circle = {.older = &circle};
    forge_word(INSPECT_MESSAGE_THREADS, 0, (uintptr_t)&circle);
}

/* Changes a word of a pool's record or of one of the pool's tables, or forges a table that is too large. */
static void draw_pool(void)
{
    struct fixed_pool *pool = &pool_records[draw(POOLS)];
    void *tables[] = {pool->place, pool->chunk, pool->cache, pool->magazine, pool->processor};
    void *table = tables[draw(sizeof tables / sizeof *tables)];
    uint64_t *words = (uint64_t *)(void *)pool;
    size_t count = POOL_WORDS;
    if (draw(3) == 0) {
        draw_large_table(pool);
        return;
    }
    /* a changed record of a pool may have wrong pointers to tables, so a table is changed only if nothing was changed
     * before */
    if (undo_count == 0 && draw(2) == 0 && table != NULL) {
        words = table;
        count = TABLE_WORDS;
    }
    uint64_t *word = words + draw(count);
    forge_in_place(word, draw_number(*word));
}

static void draw_one(void)
{
    unsigned which = (unsigned)draw(INSPECT_OBJECTS);
    switch (draw(40)) {
    case 0:
        draw_head();
        break;
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
        draw_pool();
        break;
    case 16:
        draw_circle();
        break;
    case 1:
    case 2:
        draw_place(which);
        break;
    case 3:
    case 4:
        forge_bytes(which, (int)draw(256));
        break;
    case 5:
    case 6:
        draw_link();
        break;
    case 7:
    case 8:
        draw_name();
        break;
    case 9:
    case 10:
        draw_bytes(which);
        break;
    default:
        if (draw(2) == 0) {
            draw_half_word(which);
        } else {
            draw_word(which);
        }
    }
}

static void draw_all(uint64_t seed)
{
    state = seed;
    for (uint64_t left = 1 + draw(DEPTH_MAX); left > 0; left--) {
        draw_one();
    }
}

/* --- orders --- */

static void forge_all_words(unsigned which, uint64_t value)
{
    for (size_t i = 0; i < words_of(which); i++) {
        forge_word(which, i, value);
    }
}

static void forge_escapes(void)
{
    strcpy(forge(INSPECT_PROCESS), "\033]0;title\007\n\xc2\x9bX");
    strcpy(view->library, "\033c\n1");
    prctl(PR_SET_NAME, "\033[31mX\nY\x9b");
}

static void forge_option(enum option option, uint64_t value)
{
    struct option_set *set = forge(INSPECT_OPTIONS);
    set->number[option] = value;
}

static void forge_path(void)
{
    struct option_set *set = forge(INSPECT_OPTIONS);
    strcpy(set->path + 1, "/tmp/\033c\n");
    set->number[OPTION_STATS] = 1;
}

static void forge_plan(void)
{
    struct bucket_plan *plan = forge(INSPECT_PLAN);
    plan->count = UINT32_MAX;
    memset(plan->label, '"', sizeof plan->label);
}

static void forge_name(void)
{
    forge_bytes(INSPECT_PROCESS, 'A');
}

/*
 * Undoes all forgeries, and then executes one order. Some orders have the number of an object and a value as arguments.
 */
static void obey(const char *order, unsigned which, uint64_t value)
{
    static const struct {
        const char *order;
        void (*forge)(void);
    } forgeries[] = {{"name", forge_name},     {"escape", forge_escapes},  {"path", forge_path},
                     {"plan", forge_plan},     {"endless", forge_endless}, {"flat", forge_flat},
                     {"throng", forge_throng}, {"crowd", forge_crowd},     {"pool", forge_pool_name}};
    restore();
    for (unsigned i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        if (strcmp(order, forgeries[i].order) == 0) {
            forgeries[i].forge();
            return;
        }
    }
    if (strcmp(order, "fill") == 0) {
        forge_bytes(which % INSPECT_OBJECTS, (int)value);
    } else if (strcmp(order, "words") == 0) {
        forge_all_words(which % INSPECT_OBJECTS, value);
    } else if (strcmp(order, "pools") == 0) {
        forge_pools(value);
    } else if (strcmp(order, "signal") == 0) {
        forge_option(OPTION_SIGNAL, value);
    } else if (strcmp(order, "draw") == 0) {
        draw_all(value);
    } else {
        CHECK_EQUAL(strcmp(order, "restore"), 0);
    }
}

/* Executes the orders from stdin. After each order it prints the number of objects in which the library has counters.
 * Each of these objects can be forged. */
int main(void)
{
    char line[80];
    fill_the_pools();
    prepare();
    while (fgets(line, sizeof line, stdin) != NULL) {
        char order[16] = "";
        unsigned which = 0;
        unsigned long value = 0;
        sscanf(line, "%15s %u %lx", order, &which, &value);
        obey(order, which, value);
        int length = snprintf(line, sizeof line, "%d\n", (int)INSPECT_OBJECTS);
        CHECK_EQUAL(write(STDOUT_FILENO, line, (size_t)length), length);
    }
    return 0;
}
