/* Tests rings (sockmalloc_ring_*) with random calls. This is a part of the oracle, a program that compares the results
 * of random calls with a model. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer_kind.h"
#include "fault.h"

#pragma weak sockmalloc_ring_alloc
#pragma weak sockmalloc_ring_attach
#pragma weak sockmalloc_ring_close
#pragma weak sockmalloc_ring_create
#pragma weak sockmalloc_ring_free
#pragma weak sockmalloc_ring_handle
#pragma weak sockmalloc_ring_length
#pragma weak sockmalloc_ring_reclaim
#pragma weak sockmalloc_ring_statistics
#pragma weak sockmalloc_ring_status
#pragma weak sockmalloc_ring_take

enum { HOLDER = 7, NOBODY = 8, UNIT = SOCKMALLOC_RING_ALIGNMENT };

static void ring_open(struct object *object, struct draw *draw)
{
    struct sockmalloc_ring_options options = {sizeof options, UNIT * (1 + draw_below(draw, 8)), HOLDER, NULL};
    object->size = options.chunk_size;
    object->count = 1 + draw_below(draw, 200);
    object->alignment = UNIT;
    object->largest = object->size * object->count;
    object->orders = object->head = 0;
    size_t length = sockmalloc_ring_length(object->size, object->count);
    object->memory = aligned_alloc(UNIT, length);
    memset(object->memory, (int)draw_below(draw, 256), length);
    object->handle = sockmalloc_ring_create(object->memory, length, &options);
    buffer_demand(object->handle != NULL, "a ring is made");
}

/*
 * Allocates a message. Returns false if the ring is full, or if another thread is just allocating from the ring,
 * because only one thread at a time may do so. The result can depend on the speed of the threads, and so can the random
 * choices that the calling thread makes after this call.
 */
static bool ring_alloc(struct object *object, struct draw *draw, struct place_of_block *at)
{
    size_t most = draw_one_in(draw, 8) ? object->largest : object->size * 3;
    size_t size = 1 + draw_below(draw, most < object->largest ? most : object->largest);
    unsigned type = (unsigned)draw_below(draw, BUFFER_TYPES);
    if (atomic_exchange(&object->producing, true)) {
        return false;
    }
    char *message = sockmalloc_ring_alloc(object->handle, size, type);
    buffer_demand(message != NULL || errno == EAGAIN, "a ring has room, or is full");
    if (message != NULL) {
        size_t end = (size_t)(message - object->memory) + (size + object->size - 1) / object->size * object->size;
        size_t front = sockmalloc_ring_length(object->size, object->count) - object->largest;
        object->head = (end - front) / object->size % object->count;
        at->order = object->orders++;
        at->type = type;
        buffer_count(object, type, size);
    } else {
        object->head = SIZE_MAX;
    }
    at->block.request = at->block.usable = size;
    at->block.address = (unsigned char *)message;
    atomic_store(&object->producing, false);
    return message != NULL;
}

static void ring_free(struct object *object, void *address)
{
    sockmalloc_ring_free(object->handle, address);
}

static void ring_look(struct object *object, struct draw *draw, const struct place_of_block *at)
{
    size_t size;
    unsigned type;
    (void)draw;
    uint64_t handle = sockmalloc_ring_handle(object->handle, at->block.address);
    void *taken = sockmalloc_ring_take(object->handle, handle, &size, &type);
    buffer_demand(taken == at->block.address && size == at->block.request && type == at->type,
                  "a handle leads to its message");
    DEMAND_REFUSED(sockmalloc_ring_take(object->handle, handle ^ UINT64_C(1) << 40, NULL, NULL) == NULL, EINVAL);
    buffer_demand(sockmalloc_ring_reclaim(object->handle, NOBODY) == 0, "nobody holds nothing");
}

static void wrong_options(struct object *object, struct draw *draw)
{
    struct sockmalloc_ring_options options = {sizeof options, UNIT, HOLDER, NULL};
    size_t length = sockmalloc_ring_length(UNIT, 4);
    _Alignas(UNIT) char memory[4096] = {0};
    switch (draw_below(draw, 5)) {
    case 0:
        options.chunk_size = draw_one_in(draw, 2) ? 1 + draw_below(draw, UNIT - 1) : draw_huge(draw);
        break;
    case 1:
        options.size = draw_below(draw, offsetof(struct sockmalloc_ring_options, name));
        break;
    case 2:
        options.holder = SOCKMALLOC_RING_HOLDERS + 1 + (uint32_t)draw_below(draw, 1000);
        break;
    case 3:
        length = draw_below(draw, sockmalloc_ring_length(UNIT, 1));
        break;
    default:
        DEMAND_REFUSED(sockmalloc_ring_create(memory + 1 + draw_below(draw, UNIT - 1), length, &options) == NULL,
                       EINVAL);
        DEMAND_REFUSED(sockmalloc_ring_attach(memory, length, &options) == NULL, EINVAL);
        length = 0;
    }
    DEMAND_REFUSED(sockmalloc_ring_create(memory, length, &options) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_ring_length(UNIT, draw_one_in(draw, 2) ? 0 : draw_huge(draw)) == 0, EINVAL);
    DEMAND_REFUSED(sockmalloc_ring_length(object->size + 1 + draw_below(draw, UNIT - 1), 4) == 0, EINVAL);
}

static void ring_wrong(struct object *object, struct draw *draw)
{
    struct sockmalloc_ring_statistics statistics;
    struct sockmalloc_ring *ring = object->handle;
    wrong_options(object, draw);
    DEMAND_REFUSED(sockmalloc_ring_alloc(ring, 0, 0) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_ring_alloc(ring, object->largest + 1 + draw_below(draw, 9), 0) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_ring_alloc(ring, draw_huge(draw), 0) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_ring_alloc(ring, 1, 16 + (unsigned)draw_below(draw, 99)) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_ring_take(ring, object->count + draw_below(draw, 99), NULL, NULL) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_ring_take(ring, draw_bits(draw) | UINT64_C(1) << 63, NULL, NULL) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_ring_statistics(ring, SOCKMALLOC_RING_TYPES, &statistics) == -1, EINVAL);
    DEMAND_REFUSED(sockmalloc_ring_close(NULL) == -1, EINVAL);
    sockmalloc_ring_free(ring, NULL);
}

/* Returns the place of the live message that was allocated first, or NULL if there is none. */
static const struct place_of_block *oldest(const struct object *object)
{
    const struct place_of_block *first = NULL;
    for (unsigned i = 0; i < BUFFER_PLACES; i++) {
        const struct place_of_block *at = &object->place[i];
        if (at->block.address != NULL && (first == NULL || at->order < first->order)) {
            first = at;
        }
    }
    return first;
}

/*
 * Returns the chunk at which a message of `chunks` chunks must begin, or SIZE_MAX if the ring is full for it. This is
 * computed from the description in the header sockmalloc.h alone. Let the head be the chunk after the newest message.
 * The new message begins at the head if it fits between the head and the end of the ring, and does not reach the oldest
 * live message. Otherwise the message begins at chunk 0, if from there it does not reach the oldest live message.
 */
static size_t due_place(const struct object *object, size_t chunks)
{
    const struct place_of_block *first = oldest(object);
    size_t front = sockmalloc_ring_length(object->size, object->count) - object->largest;
    size_t before_end = object->count - object->head;
    size_t room = object->count;
    if (first != NULL) {
        size_t start = ((size_t)((char *)first->block.address - object->memory) - front) / object->size;
        room = (start + object->count - object->head) % object->count;
    }
    if (chunks <= (room < before_end ? room : before_end)) {
        return object->head;
    }
    size_t behind_wrap = first == NULL ? object->count : room > before_end ? room - before_end : 0;
    return chunks <= behind_wrap ? 0 : SIZE_MAX;
}

/*
 * Allocates a message while no other thread uses the ring, and checks that it lies at the chunk that due_place returns.
 */
static void compare_place(struct object *object, struct draw *draw)
{
    size_t front = sockmalloc_ring_length(object->size, object->count) - object->largest;
    size_t chunks = 1 + draw_below(draw, object->count);
    size_t due = object->head == SIZE_MAX ? SIZE_MAX : due_place(object, chunks);
    bool is_known = object->head != SIZE_MAX;
    errno = 0;
    char *message = sockmalloc_ring_alloc(object->handle, chunks * object->size, 0);
    size_t begin = message != NULL ? ((size_t)(message - object->memory) - front) / object->size : SIZE_MAX;
    if ((message == NULL && errno != EAGAIN) || (is_known && begin != due)) {
        fault_die("%zu chunks of %zu were allocated at %zu and not at %zu, with the head at %zu", chunks, object->count,
                  begin, due, object->head);
    }
    object->head = message != NULL ? (begin + chunks) % object->count : SIZE_MAX;
    if (message != NULL) {
        buffer_count(object, 0, chunks * object->size);
        sockmalloc_ring_free(object->handle, message);
    }
}

static void ring_compare(struct object *object, struct draw *draw)
{
    struct sockmalloc_ring_statistics statistics;
    struct sockmalloc_ring_status status;
    unsigned type = (unsigned)draw_below(draw, BUFFER_TYPES);
    const struct type_count *counted = &object->type[type];
    compare_place(object, draw);
    buffer_demand(sockmalloc_ring_statistics(object->handle, type, &statistics) == 0, "a type has statistics");
    if (statistics.count != counted->count || statistics.bytes != counted->bytes ||
        statistics.largest != counted->largest) {
        fault_die("type %u has %lu messages of %lu bytes, at most %lu; there were %lu of %lu, at most %lu", type,
                  statistics.count, statistics.bytes, statistics.largest, counted->count, counted->bytes,
                  counted->largest);
    }
    buffer_demand(sockmalloc_ring_status(object->handle, &status) == 0 && status.chunks == object->count &&
                      status.chunk_size == object->size && status.occupied <= status.chunks,
                  "a ring has a status");
}

static bool ring_close(struct object *object, struct draw *draw)
{
    size_t live = buffer_live(object);
    if (live > 0) {
        DEMAND_REFUSED(sockmalloc_ring_close(object->handle) == -1, EBUSY);
        if (draw_one_in(draw, 2)) {
            return false;
        }
        buffer_demand(sockmalloc_ring_reclaim(object->handle, HOLDER) == live, "all messages are reclaimed");
    }
    void *all = sockmalloc_ring_alloc(object->handle, object->largest, 0);
    buffer_demand(all != NULL, "a ring without messages in use is free as a whole");
    sockmalloc_ring_free(object->handle, all);
    buffer_demand(sockmalloc_ring_close(object->handle) == 0, "a ring without messages in use is closed");
    free(object->memory);
    return true;
}

const struct buffer_kind buffer_ring = {"a ring",  ring_open,  ring_alloc,   ring_free,
                                        ring_look, ring_wrong, ring_compare, ring_close};
