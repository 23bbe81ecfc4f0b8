/* Tests fixed-size pools (sockmalloc_pool_*) with random calls. This is a part of the oracle, a program that compares
 * the results of random calls with a model. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer_kind.h"
#include "fault.h"

#pragma weak sockmalloc_pool_alloc
#pragma weak sockmalloc_pool_base
#pragma weak sockmalloc_pool_chunks
#pragma weak sockmalloc_pool_create
#pragma weak sockmalloc_pool_destroy
#pragma weak sockmalloc_pool_each
#pragma weak sockmalloc_pool_free
#pragma weak sockmalloc_pool_index
#pragma weak sockmalloc_pool_pin
#pragma weak sockmalloc_pool_statistic
#pragma weak sockmalloc_pool_trim
#pragma weak sockmalloc_pool_unpin

/* --- the program's own allocator --- */

static void *source_allocate(void *context, size_t size, size_t alignment)
{
    struct object *object = context;
    void *chunk = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    atomic_fetch_add(&object->got, chunk != NULL);
    return chunk;
}

static void source_release(void *context, void *start, size_t size)
{
    struct object *object = context;
    /* the pool returns this chunk to the program's own allocator; this write checks that the allocator may use all
     * bytes of the chunk again */
    memset(start, 0, size);
    atomic_fetch_sub(&object->got, 1);
    free(start);
}

/* --- creation --- */

static struct sockmalloc_pool_options draw_options(struct object *object, struct draw *draw)
{
    static const size_t sizes[] = {1, 48, 64, 200, 1500, 4096, 5000, 20000, 70000};
    struct sockmalloc_pool_options options = SOCKMALLOC_POOL_OPTIONS;
    options.block = sizes[draw_below(draw, sizeof sizes / sizeof *sizes)];
    options.name = draw_one_in(draw, 2) ? "oracle" : NULL;
    options.kind = (int)draw_below(draw, SOCKMALLOC_POOL_CPU + 1);
    options.alignment = (int)draw_below(draw, 2);
    options.returned = (int)draw_below(draw, 3);
    options.flags = (unsigned)draw_below(draw, 4);
    options.age_ms = (unsigned)draw_below(draw, 3);
    options.free_limit = draw_one_in(draw, 3) ? 1 + draw_below(draw, 30) : 0;
    options.chunk = draw_one_in(draw, 2) ? 1 + draw_below(draw, 300000) : 0;
    if (draw_one_in(draw, 4)) {
        options.source = (struct sockmalloc_pool_source){source_allocate, source_release, object};
    }
    return options;
}

static void pool_open(struct object *object, struct draw *draw)
{
    struct sockmalloc_pool_options options = draw_options(object, draw);
    object->size = object->largest = options.block;
    object->alignment = options.alignment == SOCKMALLOC_POOL_BY_PAGE ? (size_t)getpagesize() : 64;
    object->handle = sockmalloc_pool_create(&options);
    buffer_demand(object->handle != NULL, "a pool is made");
}

/* --- blocks --- */

static bool pool_alloc(struct object *object, struct draw *draw, struct place_of_block *at)
{
    (void)draw;
    at->block.address = sockmalloc_pool_alloc(object->handle);
    at->block.request = at->block.usable = object->size;
    buffer_demand(at->block.address != NULL, "a pool has a block");
    return true;
}

static void pool_free(struct object *object, void *address)
{
    sockmalloc_pool_free(object->handle, address);
}

/* Describes a walk over the blocks of a pool that are in use. The walk must visit all live blocks of the model or, if
 * `wanted` is not NULL, the block at this address. */
struct walk {
    struct object *object;
    const void *wanted; /* NULL for all */
    size_t seen;
};

static int walk_visit(void *context, const struct sockmalloc_pool_use *use)
{
    struct walk *walk = context;
    if (walk->wanted != NULL) {
        walk->seen += use->block == walk->wanted;
        return 0;
    }
    buffer_demand(buffer_place_of(walk->object, use->block) != NULL, "a walk shows live blocks alone");
    walk->seen++;
    return 0;
}

static void look_by_walk(struct object *object, const void *address)
{
    struct walk walk = {.wanted = address};
    errno = 0;
    int end = sockmalloc_pool_each(object->handle, walk_visit, &walk);
    buffer_demand(end == 0 ? walk.seen == 1 : end == -1 && errno == EBUSY, "a walk shows a live block once");
}

static void pool_look(struct object *object, struct draw *draw, const struct place_of_block *at)
{
    const unsigned char *address = at->block.address;
    int index = sockmalloc_pool_index(object->handle, address);
    const unsigned char *base = sockmalloc_pool_base(object->handle, index);
    buffer_demand(index >= 0 && base != NULL && base <= address, "a block lies in its chunk");
    if (draw_one_in(draw, 2)) {
        look_by_walk(object, address);
    } else if (draw_one_in(draw, 2)) {
        buffer_demand(sockmalloc_pool_pin(object->handle) == 0, "a pool can be pinned");
        buffer_demand(sockmalloc_pool_trim(object->handle) == 0, "a pinned pool keeps its memory");
        buffer_demand(sockmalloc_pool_unpin(object->handle) == 0, "a pinned pool can be unpinned");
    } else {
        sockmalloc_pool_trim(object->handle);
    }
}

static int never_visit(void *context, int index, void *start, size_t length)
{
    (void)context, (void)index, (void)start, (void)length;
    return 0;
}

/* Gives one option an invalid value, and checks that sockmalloc_pool_create refuses the options. */
static void wrong_options(struct object *object, struct draw *draw)
{
    struct sockmalloc_pool_options options = draw_options(object, draw);
    switch (draw_below(draw, 9)) {
    case 0:
        options.block = draw_one_in(draw, 2) ? 0 : draw_huge(draw);
        break;
    case 1:
        options.size = draw_below(draw, sizeof options);
        break;
    case 2:
        options.kind = draw_one_in(draw, 2) ? -1 : SOCKMALLOC_POOL_CPU + 1 + (int)draw_below(draw, 9);
        break;
    case 3:
        options.alignment = 2 + (int)draw_below(draw, 100);
        break;
    case 4:
        options.returned = 3 + (int)draw_below(draw, 100);
        break;
    case 5:
        options.flags |= 4U << draw_below(draw, 29);
        break;
    case 6:
        options.name = "a name that has more than the 31 bytes";
        break;
    case 7:
        options.chunk = draw_huge(draw);
        break;
    default:
        options.source = (struct sockmalloc_pool_source){source_allocate, NULL, NULL};
    }
    DEMAND_REFUSED(sockmalloc_pool_create(&options) == NULL, EINVAL);
}

static void pool_wrong(struct object *object, struct draw *draw)
{
    struct sockmalloc_pool *pool = object->handle;
    uint64_t value;
    wrong_options(object, draw);
    DEMAND_REFUSED(sockmalloc_pool_create(NULL) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_pool_alloc(NULL) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_pool_statistic(pool, "lives", &value) == -1, EINVAL);
    DEMAND_REFUSED(sockmalloc_pool_index(pool, &value) == -1, EINVAL);
    DEMAND_REFUSED(sockmalloc_pool_base(pool, -1 - (int)draw_below(draw, 9)) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_pool_base(pool, 8192 + (int)draw_below(draw, 9)) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_pool_each(NULL, walk_visit, NULL) == -1, EINVAL);
    DEMAND_REFUSED(sockmalloc_pool_chunks(NULL, never_visit, NULL) == -1, EINVAL);
    DEMAND_REFUSED(sockmalloc_pool_trim(NULL) == 0, EINVAL);
    DEMAND_REFUSED(sockmalloc_pool_destroy(NULL, 0) == -1, EINVAL);
    sockmalloc_pool_free(pool, NULL);
}

/* --- alone --- */

static void pool_compare(struct object *object, struct draw *draw)
{
    struct walk walk = {.object = object};
    uint64_t live = UINT64_MAX;
    size_t wanted = buffer_live(object);
    buffer_demand(sockmalloc_pool_each(object->handle, walk_visit, &walk) == 0, "a pool can be walked");
    buffer_demand(sockmalloc_pool_statistic(object->handle, "live", &live) == 0, "a pool has a figure");
    if (walk.seen != wanted || live != wanted) {
        fault_die("%zu blocks are live; a walk has seen %zu, and the statistics say %lu", wanted, walk.seen,
                  (unsigned long)live);
    }
    DEMAND_REFUSED(sockmalloc_pool_unpin(object->handle) == -1, EINVAL);
    if (draw_one_in(draw, 2)) {
        sockmalloc_pool_trim(object->handle);
    }
}

static bool pool_close(struct object *object, struct draw *draw)
{
    struct sockmalloc_pool *pool = object->handle;
    bool is_used = buffer_live(object) > 0;
    bool all_the_same = draw_one_in(draw, 2);
    errno = 0;
    int result = sockmalloc_pool_destroy(pool, all_the_same ? SOCKMALLOC_POOL_ALL_THE_SAME : 0);
    if (is_used && !all_the_same) {
        buffer_demand(result == -1 && errno == EBUSY, "a pool with live blocks is not destroyed");
        return false;
    }
    buffer_demand(result == 0 && atomic_load(&object->got) == 0, "a pool that is destroyed gives all chunks back");
    return true;
}

const struct buffer_kind buffer_pool = {"a fixed-size pool", pool_open,  pool_alloc,   pool_free,
                                        pool_look,           pool_wrong, pool_compare, pool_close};
