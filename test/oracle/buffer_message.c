/* Tests message pages (sockmalloc_message_*) with random calls. This is a part of the oracle, a program that compares
 * the results of random calls with a model. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "buffer_kind.h"
#include "fault.h"

#pragma weak sockmalloc_message_alloc
#pragma weak sockmalloc_message_alloc_many
#pragma weak sockmalloc_message_close
#pragma weak sockmalloc_message_figures
#pragma weak sockmalloc_message_flush
#pragma weak sockmalloc_message_free
#pragma weak sockmalloc_message_free_many
#pragma weak sockmalloc_message_open
#pragma weak sockmalloc_message_reserve
#pragma weak sockmalloc_message_size
#pragma weak sockmalloc_message_statistics
#pragma weak sockmalloc_message_stragglers
#pragma weak sockmalloc_message_trim

enum { MANY = 6, HEADER = 8, PAGES_AMPLE = 512, PAGES_TIGHT = 12 };

static void message_open(struct object *object, struct draw *draw)
{
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    options.page = (size_t)4096 << draw_below(draw, 6);
    options.alignment = draw_one_in(draw, 2) ? 16 : 64;
    options.types = BUFFER_TYPES;
    object->count = draw_one_in(draw, 4) ? PAGES_TIGHT : PAGES_AMPLE;
    options.limit = options.page * object->count;
    options.keep = draw_one_in(draw, 2) ? SIZE_MAX : options.page * draw_below(draw, 4);
    object->size = options.page;
    object->alignment = options.alignment;
    object->largest = options.page - 2 * options.alignment;
    object->handle = sockmalloc_message_open(&options);
    buffer_demand(object->handle != NULL, "an object of message pages is opened");
}

static size_t draw_message(const struct object *object, struct draw *draw)
{
    return draw_one_in(draw, 8) ? draw_below(draw, object->largest + 1) : draw_below(draw, 1500);
}

/* Allocates a message. If the object may have PAGES_AMPLE pages, the allocation must succeed, because all live messages
 * together, and the pages that threads are filling, need fewer pages. */
static bool message_alloc(struct object *object, struct draw *draw, struct place_of_block *at)
{
    at->type = (unsigned)draw_below(draw, BUFFER_TYPES);
    at->block.request = at->block.usable = draw_message(object, draw);
    at->block.address = sockmalloc_message_alloc(object->handle, at->block.request, at->type);
    if (at->block.address == NULL) {
        buffer_demand(errno == ENOMEM && object->count == PAGES_TIGHT, "there is room for a message");
        return false;
    }
    buffer_count(object, at->type, at->block.request);
    return true;
}

static void message_free(struct object *object, void *address)
{
    sockmalloc_message_free(object->handle, address);
}

/* Allocates several messages by one call, checks them, and frees them by one call. */
static void look_at_many(struct object *object, struct draw *draw)
{
    struct block block[MANY] = {{0}};
    void *address[MANY];
    size_t size = draw_message(object, draw);
    unsigned type = (unsigned)draw_below(draw, BUFFER_TYPES);
    size_t count = sockmalloc_message_alloc_many(object->handle, size, type, MANY, address);
    buffer_demand(count == MANY || (errno == ENOMEM && object->count == PAGES_TIGHT), "there is room for messages");
    for (size_t i = 0; i < count; i++) {
        block[i] = (struct block){.address = address[i],
                                  .request = size,
                                  .usable = size,
                                  .alignment = object->alignment,
                                  .maker = "sockmalloc_message_alloc_many"};
        model_claim(&block[i]);
        model_fill(&block[i], draw_bits(draw), true);
        buffer_count(object, type, size);
    }
    for (size_t i = 0; i < count; i++) {
        model_release(&block[i]);
    }
    sockmalloc_message_free_many(object->handle, count, address);
}

/* Allocates messages by a batch, one by one, checks them, and frees each by the batch while the next ones are already
 * allocated. What the batch has allocated ahead counts in the statistics as well. */
static void look_at_batch(struct object *object, struct draw *draw)
{
    struct sockmalloc_message_batch batch;
    struct block block[MANY] = {{0}};
    size_t size = draw_below(draw, 1500);
    unsigned type = (unsigned)draw_below(draw, BUFFER_TYPES);
    size_t count = draw_below(draw, 2 * SOCKMALLOC_MESSAGE_BATCH);
    sockmalloc_message_batch_begin(&batch, object->handle, size, type);
    for (size_t i = 0; i < count + MANY; i++) {
        struct block *held = &block[i % MANY];
        if (held->address != NULL) {
            model_release(held);
            sockmalloc_message_batch_free(&batch, held->address);
            held->address = NULL;
        }
        void *address = i < count ? sockmalloc_message_batch_alloc(&batch) : NULL;
        buffer_demand(i >= count || address != NULL || (errno == ENOMEM && object->count == PAGES_TIGHT),
                      "there is room for a message of a batch");
        if (address != NULL) {
            *held = (struct block){.address = address,
                                   .request = size,
                                   .usable = size,
                                   .alignment = object->alignment,
                                   .maker = "sockmalloc_message_batch_alloc"};
            model_claim(held);
            model_fill(held, draw_bits(draw), true);
            buffer_count(object, type, size);
        }
    }
    for (size_t ahead = batch.next; ahead < batch.end; ahead++) {
        buffer_count(object, type, size);
    }
    sockmalloc_message_batch_end(&batch);
}

static void message_look(struct object *object, struct draw *draw, const struct place_of_block *at)
{
    buffer_demand(sockmalloc_message_size(object->handle, at->block.address) == at->block.request,
                  "a message keeps its size");
    switch (draw_below(draw, 5)) {
    case 0:
        sockmalloc_message_flush(object->handle);
        return;
    case 2:
        look_at_batch(object, draw);
        return;
    case 1:
        buffer_demand(sockmalloc_message_trim(object->handle, 0) <= object->count * object->size, "trim is bounded");
        return;
    default:
        look_at_many(object, draw);
    }
}

static void wrong_options(struct draw *draw)
{
    struct sockmalloc_message_options options = SOCKMALLOC_MESSAGE_OPTIONS;
    switch (draw_below(draw, 5)) {
    case 0:
        options.page =
            draw_one_in(draw, 2) ? 4096 + 64 * (1 + draw_below(draw, 60)) : (size_t)1 << draw_below(draw, 12);
        break;
    case 1:
        options.alignment = draw_one_in(draw, 2) ? 17 + draw_below(draw, 47) : (size_t)128 << draw_below(draw, 20);
        break;
    case 2:
        options.limit = draw_below(draw, options.page);
        break;
    case 3:
        options.types = 257 + (unsigned)draw_below(draw, 1000);
        break;
    default:
        options.size = sizeof options + 1 + draw_below(draw, 1000);
    }
    DEMAND_REFUSED(sockmalloc_message_open(&options) == NULL, EINVAL);
}

static void message_wrong(struct object *object, struct draw *draw)
{
    struct sockmalloc_message_statistics statistics;
    struct sockmalloc_message *messages = object->handle;
    unsigned type = BUFFER_TYPES + (unsigned)draw_below(draw, 100000);
    wrong_options(draw);
    DEMAND_REFUSED(sockmalloc_message_alloc(messages, 1, type) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_message_alloc(messages, object->largest + 1 + draw_below(draw, 9), 0) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_message_alloc(messages, draw_huge(draw), 0) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_message_alloc(NULL, 1, 0) == NULL, EINVAL);
    DEMAND_REFUSED(sockmalloc_message_statistics(messages, type, &statistics) == -1, EINVAL);
    DEMAND_REFUSED(sockmalloc_message_reserve(messages, type) == 0, EINVAL);
    DEMAND_REFUSED(sockmalloc_message_close(NULL) == -1, EINVAL);
    sockmalloc_message_free(messages, NULL);
}

static int straggler_visit(void *context, void *message, size_t size, unsigned type)
{
    const struct place_of_block *at = buffer_place_of(context, message);
    buffer_demand(at != NULL && at->block.request == size && at->type == type, "a straggler is a live message");
    return 0;
}

/* Checks the library's figure for the bytes that the live messages take up. Each message takes up its own bytes, a
 * header, and fewer bytes of padding than its alignment. */
static void compare_figures(const struct object *object)
{
    struct sockmalloc_message_figures figures;
    size_t least = 0;
    size_t live = buffer_live(object);
    for (unsigned i = 0; i < BUFFER_PLACES; i++) {
        least += object->place[i].block.address != NULL ? object->place[i].block.request + HEADER : 0;
    }
    buffer_demand(sockmalloc_message_figures(object->handle, SIZE_MAX, &figures) == 0, "an object has figures");
    if (figures.bytes_held < least || figures.bytes_held > least + live * object->alignment ||
        figures.pages > object->count || figures.pages_used > figures.pages || figures.straggler_messages > live) {
        fault_die("%zu messages of %zu bytes with headers are held by %lu bytes, in %lu of %lu pages", live, least,
                  figures.bytes_held, figures.pages_used, figures.pages);
    }
}

static void message_compare(struct object *object, struct draw *draw)
{
    struct sockmalloc_message_statistics statistics;
    unsigned type = (unsigned)draw_below(draw, BUFFER_TYPES);
    compare_figures(object);
    sockmalloc_message_stragglers(object->handle, object->size, straggler_visit, object);
    buffer_demand(sockmalloc_message_statistics(object->handle, type, &statistics) == 0, "a type has statistics");
    if (statistics.count != object->type[type].count || statistics.bytes != object->type[type].bytes) {
        fault_die("type %u has %lu messages of %lu bytes; there were %lu of %lu", type, statistics.count,
                  statistics.bytes, object->type[type].count, object->type[type].bytes);
    }
    buffer_demand(sockmalloc_message_reserve(object->handle, type) >= 4096, "a page is proposed");
}

static bool message_close(struct object *object, struct draw *draw)
{
    (void)draw;
    errno = 0;
    int result = sockmalloc_message_close(object->handle);
    if (buffer_live(object) > 0) {
        buffer_demand(result == -1 && errno == EBUSY, "an object with live messages stays open");
        return false;
    }
    buffer_demand(result == 0, "an object without live messages is closed");
    return true;
}

const struct buffer_kind buffer_message = {"message pages", message_open,  message_alloc,   message_free,
                                           message_look,    message_wrong, message_compare, message_close};
