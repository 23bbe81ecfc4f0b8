/* Allocates and frees messages. The fast paths allocate in the page that the thread fills, and free in that page or in
 * one other page. Slow paths get a new page, free in further pages, and handle errors. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/message_alloc.h"

#include <errno.h>
#include <sockmalloc.h>
#include <string.h>

#include "base/attributes.h"
#include "buffers/buffer_memory.h"
#include "buffers/message_page.h"
#include "buffers/message_thread.h"
#include "config/message.h"

/*
 * An allocation needs no atomic operation: it moves `next`, the address in the thread's cache at which the next message
 * will begin, behind the new message. When the page is full, the thread gets another page (message_refill).
 *
 * A free of a message in the page that the thread fills adds the message's bytes to `freed`, a count in the cache, or
 * moves `next` back if the message was the last one. For frees in other pages the cache has one more count, `pending`,
 * for one page at a time. When the thread frees a message of yet another page, one atomic operation subtracts `pending`
 * from `held`, the bytes of messages in the page that `pending` belongs to (message_free_elsewhere).
 */

static COLD void *message_fail(int error)
{
    errno = error;
    return NULL;
}

/* Maps the statistics of message types for the calling thread, if it has none yet. If the kernel refuses the memory,
 * nothing is counted. */
static void message_begin_statistics(const struct sockmalloc_message *messages, struct message_cache *cache)
{
    if (message_statistics_of(cache) == NULL && messages->counted > 0) {
        char *statistics = buffer_map(messages->counted * sizeof(struct size_statistics), 0);
        atomic_store_explicit(&cache->statistics, (struct size_statistics *)(void *)statistics, memory_order_release);
    }
}

/*
 * If all messages in the page that the thread fills have been freed, lets the thread fill the page again from its
 * start. Returns false if there are live messages, or if the thread fills no page. Acquire: this thread uses the page
 * only after other threads have finished with the messages that they have freed.
 */
static bool message_rewind(struct sockmalloc_message *messages, struct message_cache *cache)
{
    uintptr_t start = message_filled_start(cache);
    if (start == MESSAGE_NOWHERE) {
        return false;
    }
    uint32_t number = message_page_number(messages, (char *)start);
    _Atomic int64_t *held = &messages->page[number].held;
    if (atomic_load_explicit(held, memory_order_acquire) + message_cache_held(messages, cache) != 0) {
        return false;
    }
    atomic_store_explicit(held, 0, memory_order_relaxed);
    message_cache_fill(messages, cache, number);
    return true;
}

/* Gives the thread an empty page to fill: the present page if all its messages have been freed, or else another page.
 * Returns false if all pages are in use. */
static bool message_next_page(struct sockmalloc_message *messages, struct message_cache *cache)
{
    message_cache_settle(messages, cache);
    if (message_rewind(messages, cache)) {
        return true;
    }
    message_cache_retire(messages, cache);
    uint32_t number = message_page_take(messages);
    if (number == MESSAGE_NO_PAGE) {
        return false;
    }
    message_cache_fill(messages, cache, number);
    return true;
}

/* Adds `times` messages of this size and type to the thread's statistics, if the thread has some. */
FAST_PATH void message_count(struct message_cache *cache, size_t size, unsigned type, uint64_t times)
{
    struct size_statistics *statistics = message_statistics_of(cache);
    if (statistics != NULL) {
        size_statistics_add(&statistics[type], size, times);
    }
}

/*
 * Makes a message begin at `message`, which is `next` of the cache and has enough space behind it, and moves `next`
 * behind it. Adds `times` messages of this size and type to the statistics; `times` is 0 if the caller updates the
 * statistics.
 */
FAST_PATH void *message_carve(const struct sockmalloc_message *messages, struct message_cache *cache, char *message,
                              size_t size, unsigned type, uint64_t times)
{
    atomic_store_explicit(&cache->next, message + message_extent(messages, size), memory_order_relaxed);
    message_begin(messages, message, size, type);
    if (times > 0) {
        message_count(cache, size, type, times);
    }
    return message;
}

/*
 * Returns true if a message of `size` bytes does not fit between `next` and the end of the page. The comparison is >=
 * and not >, so that the function returns true for a thread without a page, and so that a message of 0 bytes does not
 * begin at the end of its page.
 */
FAST_PATH bool message_page_is_full(const struct message_cache *cache, const char *next, size_t size)
{
    return (uintptr_t)next + size >= (uintptr_t)cache->stop;
}

FAST_PATH char *message_next(const struct message_cache *cache)
{
    return atomic_load_explicit(&cache->next, memory_order_relaxed);
}

/* Allocates a message after the thread's page has become full: gets another page first. The caller has marked the cache
 * as busy; this function marks it as no longer busy. Returns NULL with ENOMEM if there is no page. */
static OUT_OF_LINE void *message_refill(struct sockmalloc_message *messages, struct message_cache *cache, size_t size,
                                        unsigned type)
{
    message_begin_statistics(messages, cache);
    void *message = NULL;
    if (message_next_page(messages, cache)) {
        message = message_carve(messages, cache, message_next(cache), size, type, 1);
    }
    message_cache_leave(cache);
    return message != NULL ? message : message_fail(ENOMEM);
}

/* Allocates a message that gets a whole page for itself, and does not use the thread's cache. */
static void *message_alloc_alone(struct sockmalloc_message *messages, size_t size, unsigned type)
{
    uint32_t number = message_page_take(messages);
    if (number == MESSAGE_NO_PAGE) {
        return message_fail(ENOMEM);
    }
    char *message = message_page_start(messages, number) + messages->unit;
    message_begin(messages, message, size, type);
    message_page_hold(messages, number, (int64_t)message_extent(messages, size));
    return message;
}

/*
 * Returns true if the calling thread may use its cache. Gets a record for the thread first if it has none. Returns
 * false if there is no memory for a record, or if the caller is a signal handler that has interrupted its thread inside
 * the cache.
 */
static bool message_has_cache(const struct sockmalloc_message *messages)
{
    if (message_thread == &message_thread_none) {
        message_thread_begin();
    }
    return !message_cache_is_busy(message_cache_of(messages));
}

/* Allocates a message if an argument is wrong, if the thread has no cache yet, or if a signal handler has interrupted
 * the thread inside the cache. Returns NULL with errno EINVAL or ENOMEM. */
static COLD void *message_alloc_slow(struct sockmalloc_message *messages, size_t size, unsigned type)
{
    if (messages == NULL || type >= messages->types || size > messages->largest) {
        return message_fail(EINVAL);
    }
    if (!message_has_cache(messages)) {
        return message_alloc_alone(messages, size, type);
    }
    return sockmalloc_message_alloc(messages, size, type);
}

EXPORTED void *sockmalloc_message_alloc(struct sockmalloc_message *messages, size_t size, unsigned type)
{
    if (UNLIKELY(messages == NULL || size > messages->largest || type >= messages->types)) {
        return message_alloc_slow(messages, size, type);
    }
    struct message_cache *cache = message_cache_of(messages);
    if (UNLIKELY(message_cache_is_busy(cache))) {
        return message_alloc_slow(messages, size, type);
    }
    message_cache_enter(cache);
    char *message = message_next(cache);
    if (UNLIKELY(message_page_is_full(cache, message, size))) {
        return message_refill(messages, cache, size, type);
    }
    message_carve(messages, cache, message, size, type, 1);
    message_cache_leave(cache);
    return message;
}

/* Allocates as many of `count` messages as still fit into the page that the thread fills. Stores their addresses in
 * `allocated`, and returns how many messages it has allocated. */
static size_t message_carve_many(const struct sockmalloc_message *messages, struct message_cache *cache, size_t size,
                                 unsigned type, size_t count, void **allocated)
{
    size_t done = 0;
    message_cache_enter(cache);
    char *next = message_next(cache);
    while (done < count && !message_page_is_full(cache, next, size)) {
        allocated[done++] = message_carve(messages, cache, next, size, type, 0);
        next = message_next(cache);
    }
    message_count(cache, size, type, done);
    message_cache_leave(cache);
    return done;
}

EXPORTED size_t sockmalloc_message_alloc_many(struct sockmalloc_message *messages, size_t size, unsigned type,
                                              size_t count, void **allocated)
{
    size_t done = 0;
    while (done < count) {
        /* The first message of each page is allocated by sockmalloc_message_alloc, which gets the page and reports
         * errors. */
        void *message = sockmalloc_message_alloc(messages, size, type);
        if (message == NULL) {
            break;
        }
        allocated[done++] = message;
        struct message_cache *cache = message_cache_of(messages);
        if (!message_cache_is_busy(cache)) {
            done += message_carve_many(messages, cache, size, type, count - done, allocated + done);
        }
    }
    return done;
}

#define MESSAGE_PREFIX "sockmalloc_message_"

/* Ends the process, because no live message begins at `message`. The line that it prints says whether the message was
 * freed before. */
static COLD _Noreturn void message_die_misused(const struct sockmalloc_message *messages, const char *call,
                                               char *message)
{
    if (messages->serves_malloc && strncmp(call, MESSAGE_PREFIX, sizeof MESSAGE_PREFIX - 1) == 0) {
        /* the program has called malloc's free, so the error line must name `free` */
        call += sizeof MESSAGE_PREFIX - 1;
    }
    if (message_is_freed(messages, message, atomic_load_explicit(message_header(message), memory_order_relaxed))) {
        message_die(MESSAGE_MESSAGE_FREED, call, (void *)message);
    }
    message_die(MESSAGE_NO_MESSAGE, call, (void *)message);
}

/* Returns the header of the live message at `message`, an address in the pages of the message object. Ends the process
 * if no live message begins there. */
FAST_PATH uint64_t message_live_header(const struct sockmalloc_message *messages, const char *call, char *message)
{
    uint64_t header = atomic_load_explicit(message_header(message), memory_order_relaxed);
    if (UNLIKELY(!message_is_live(messages, message, header))) {
        message_die_misused(messages, call, message);
    }
    return header;
}

/*
 * Returns the number of the page in which `message` lies. Ends the process if `message` lies in no page of the message
 * object.
 */
static uint32_t message_find_page(const struct sockmalloc_message *messages, const char *call, char *message)
{
    size_t offset = messages == NULL ? 0 : (size_t)(message - messages->start);
    if (messages == NULL || messages->types == 0 || offset >= (size_t)messages->pages << messages->page_shift) {
        message_die(MESSAGE_NO_MESSAGE, call, (void *)message);
    }
    return (uint32_t)(offset >> messages->page_shift);
}

/*
 * Counts the free of a message of `extent` bytes in `pending_page`, which is not the page that the thread fills.
 * `pending` of the cache is the number of bytes that the thread has freed in this page. If `pending` equals `held` of
 * the page, all messages there have been freed. Then subtracts `pending` from `held` at once, so that the page is
 * recycled. The load of `held` may be relaxed, because the subtraction has the acquire and release order.
 */
FAST_PATH void message_free_pending(struct sockmalloc_message *messages, struct message_cache *cache, size_t extent)
{
    counter_add(&cache->pending, extent);
    int64_t held = atomic_load_explicit(&cache->pending_page->held, memory_order_relaxed);
    if (UNLIKELY(held == (int64_t)counter_read(&cache->pending))) {
        message_cache_settle(messages, cache);
    }
}

/* Counts a free in the page that the thread fills. If the freed message was the last one of the page, the next message
 * will begin in the place of the freed one. */
FAST_PATH void message_free_filled(struct message_cache *cache, char *message, size_t extent)
{
    if (message_next(cache) == message + extent) {
        atomic_store_explicit(&cache->next, message, memory_order_relaxed);
    } else {
        counter_add(&cache->freed, extent);
    }
}

/* Marks a message as freed. Returns how many bytes of its page the message takes, together with the header of the next
 * message. Ends the process if no live message begins at `message`. */
FAST_PATH size_t message_free_header(const struct sockmalloc_message *messages, char *message)
{
    uint64_t header = message_live_header(messages, "sockmalloc_message_free", message);
    message_end(message, header);
    return message_extent(messages, message_header_size(header));
}

/* Frees a message in a page whose frees the cache does not count yet. First subtracts the count of frees in the former
 * page from that page's `held` bytes. From then on the cache counts the frees in the page of this message. */
static OUT_OF_LINE void message_free_elsewhere(struct sockmalloc_message *messages, struct message_cache *cache,
                                               char *message)
{
    uint32_t number = message_find_page(messages, "sockmalloc_message_free", message);
    size_t extent = message_free_header(messages, message);
    message_cache_settle(messages, cache);
    atomic_store_explicit(&cache->pending_start, (uintptr_t)message & messages->page_mask, memory_order_relaxed);
    cache->pending_page = &messages->page[number];
    message_free_pending(messages, cache, extent);
}

/* Frees a message; does nothing for NULL. The caller has marked the cache as busy. */
FAST_PATH void message_free_one(struct sockmalloc_message *messages, struct message_cache *cache, char *message)
{
    uintptr_t start = (uintptr_t)message & messages->page_mask;
    if (start == message_filled_start(cache)) {
        message_free_filled(cache, message, message_free_header(messages, message));
    } else if (LIKELY(start == message_pending_start(cache))) {
        message_free_pending(messages, cache, message_free_header(messages, message));
    } else if (message != NULL) {
        message_free_elsewhere(messages, cache, message);
    }
}

/*
 * Frees a message if the thread has no cache yet, or if a signal handler has interrupted the thread inside the cache.
 */
static COLD void message_free_slow(struct sockmalloc_message *messages, char *message)
{
    if (message == NULL) {
        return;
    }
    uint32_t number = message_find_page(messages, "sockmalloc_message_free", message);
    if (message_has_cache(messages)) {
        sockmalloc_message_free(messages, message);
    } else {
        message_page_hold(messages, number, -(int64_t)message_free_header(messages, message));
    }
}

EXPORTED void sockmalloc_message_free(struct sockmalloc_message *messages, void *message)
{
    if (UNLIKELY(messages == NULL || message_cache_is_busy(message_cache_of(messages)))) {
        message_free_slow(messages, message);
        return;
    }
    struct message_cache *cache = message_cache_of(messages);
    message_cache_enter(cache);
    message_free_one(messages, cache, message);
    message_cache_leave(cache);
}

EXPORTED void sockmalloc_message_free_many(struct sockmalloc_message *messages, size_t count, void *const *freed)
{
    size_t done = 0;
    if (messages == NULL || message_cache_is_busy(message_cache_of(messages))) {
        while (done < count) {
            message_free_slow(messages, freed[done++]);
        }
        return;
    }
    struct message_cache *cache = message_cache_of(messages);
    message_cache_enter(cache);
    while (done < count) {
        message_free_one(messages, cache, freed[done++]);
    }
    message_cache_leave(cache);
}

size_t message_usable(const struct sockmalloc_message *messages, const char *call, const void *message)
{
    message_find_page(messages, call, (char *)message);
    size_t size = message_header_size(message_live_header(messages, call, (char *)message));
    return message_extent(messages, size) - MESSAGE_HEADER;
}

EXPORTED size_t sockmalloc_message_size(const struct sockmalloc_message *messages, const void *message)
{
    message_find_page(messages, "sockmalloc_message_size", (char *)message);
    return message_header_size(message_live_header(messages, "sockmalloc_message_size", (char *)message));
}

EXPORTED void sockmalloc_message_flush(struct sockmalloc_message *messages)
{
    if (messages == NULL || messages->types == 0 || message_cache_is_busy(message_cache_of(messages))) {
        return;
    }
    struct message_cache *cache = message_cache_of(messages);
    message_cache_enter(cache);
    message_cache_settle(messages, cache);
    message_cache_retire(messages, cache);
    message_cache_leave(cache);
}
