/* Opens and closes message objects, which are sets of message pages (sockmalloc_message_open and _close). Makes open
 * ones usable again in the child of a fork. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <sockmalloc.h>
#include <string.h>

#include "base/bounds.h"
#include "buffers/buffer_memory.h"
#include "buffers/message_page.h"
#include "buffers/message_thread.h"

static const struct sockmalloc_message_options defaults = SOCKMALLOC_MESSAGE_OPTIONS;

/*
 * Finds the empty pages of an open message object (a set of message pages) again in the child of a fork. Does nothing
 * if a signal handler has forked while its thread was changing the cache of that object, because the thread will go on
 * with the change after the handler. In this case the pages that other threads of the parent were filling are lost to
 * the child.
 */
static void message_restore(struct sockmalloc_message *messages)
{
    struct message_cache *cache = message_cache_of(messages);
    uint32_t mine = MESSAGE_NO_PAGE;
    if (message_thread_has_record()) {
        if (message_cache_is_busy(cache)) {
            return;
        }
        message_cache_settle(messages, cache);
        uintptr_t start = message_filled_start(cache);
        mine = start == MESSAGE_NOWHERE ? MESSAGE_NO_PAGE : message_page_number(messages, (char *)start);
    }
    message_pages_after_fork(messages, mine);
}

/*
 * Runs in the child of a fork. Releases message_lock, even if another thread of the parent held it. A message object
 * that was just being opened or closed at the fork counts as closed in the child, because its `types` is 0 at that
 * time.
 */
static void message_after_fork(void)
{
    lock_reset(&message_lock);
    message_threads_after_fork();
    for (unsigned object = 0; object < MESSAGE_OBJECTS; object++) {
        if (message_objects[object].types != 0) {
            message_restore(&message_objects[object]);
        }
    }
}

/* When the first message object is opened, makes the key by which libc reports the end of a thread, and installs the
 * fork handler. Returns false if libc cannot make the key or has no memory for the handler. */
static bool message_prepare(void)
{
    static bool prepared;
    if (!prepared) {
        prepared = message_threads_open() && pthread_atfork(NULL, NULL, message_after_fork) == 0;
    }
    return prepared;
}

static bool message_is_power(size_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

static bool message_options_are_valid(const struct sockmalloc_message_options *options)
{
    return message_is_power(options->page) && options->page >= (size_t)1 << MESSAGE_PAGE_LEAST_SHIFT &&
           options->page <= (size_t)1 << MESSAGE_PAGE_MOST_SHIFT &&
           (options->alignment == 16 || options->alignment == CACHE_LINE) && options->limit >= options->page &&
           options->limit / options->page < STACK_NUMBERS && options->types <= MESSAGE_TYPE_LIMIT &&
           buffer_name_fits(options->name);
}

/*
 * Copies the options of the caller, and uses the defaults for options that were added to the library after the caller
 * was compiled. Returns false if an option is not valid, or if the caller has options that this library does not know.
 */
static bool message_read_options(struct sockmalloc_message_options *options,
                                 const struct sockmalloc_message_options *given)
{
    *options = defaults;
    if (given == NULL) {
        return true;
    }
    if (given->size < sizeof given->size || given->size > sizeof *options) {
        return false;
    }
    memcpy(options, given, given->size);
    options->name = given->size == sizeof *options ? given->name : NULL;
    return message_options_are_valid(options);
}

/* Opens the message object with the number `object`, which must be closed. Returns false if there is no memory. */
static bool message_open_object(unsigned object, const struct sockmalloc_message_options *options)
{
    struct sockmalloc_message *messages = &message_objects[object];
    if (!message_prepare() || !message_pages_open(messages, options)) {
        return false;
    }
    messages->cache_offset = message_cache_offset(object);
    messages->counted = options->types;
    buffer_name_copy(messages->name, options->name);
    /* seq_cst: the child of a fork finds this message object either closed, or open with all its members set */
    atomic_thread_fence(memory_order_seq_cst);
    messages->types = GREATER(options->types, 1U);
    return true;
}

/* Returns the number of a closed message object, or MESSAGE_OBJECTS if all are open. */
static unsigned message_find_closed(void)
{
    unsigned object = 0;
    while (object < MESSAGE_OBJECTS && message_objects[object].types != 0) {
        object++;
    }
    return object;
}

EXPORTED struct sockmalloc_message *sockmalloc_message_open(const struct sockmalloc_message_options *given)
{
    struct sockmalloc_message_options options;
    if (!message_read_options(&options, given)) {
        errno = EINVAL;
        return NULL;
    }
    if (!lock_take(&message_lock)) {
        errno = EBUSY;
        return NULL;
    }
    unsigned object = message_find_closed();
    int error = object == MESSAGE_OBJECTS ? EMFILE : message_open_object(object, &options) ? 0 : ENOMEM;
    lock_release(&message_lock);
    if (error != 0) {
        errno = error;
        return NULL;
    }
    return &message_objects[object];
}

/* Clears the cache that a thread has for a message object that is being closed, and unmaps the cache's statistics. */
static void message_close_cache(const struct sockmalloc_message *messages, struct message_cache *cache)
{
    message_cache_clear(cache);
    struct size_statistics *statistics = message_statistics_of(cache);
    if (statistics != NULL) {
        atomic_store_explicit(&cache->statistics, NULL, memory_order_relaxed);
        buffer_unmap((char *)statistics, messages->counted * sizeof *statistics);
    }
}

static void message_close_object(struct sockmalloc_message *messages)
{
    unsigned object = (unsigned)(messages - message_objects);
    messages->types = 0;
    /* seq_cst: the child of a fork finds this message object either closed, or open with all its members set */
    atomic_thread_fence(memory_order_seq_cst);
    for (struct message_thread *thread = message_thread_after(NULL); thread != NULL;
         thread = message_thread_after(thread)) {
        message_close_cache(messages, &thread->cache[object]);
    }
    message_pages_close(messages);
    /* message_pages_close has set this offset to 0. With the right offset, a free of a message after the close finds a
     * cache that has no page, and ends the process. */
    messages->cache_offset = message_cache_offset(object);
}

EXPORTED int sockmalloc_message_close(struct sockmalloc_message *messages)
{
    if (messages == NULL || messages->types == 0) {
        errno = EINVAL;
        return -1;
    }
    if (!lock_take(&message_lock)) {
        errno = EBUSY;
        return -1;
    }
    bool unused = message_bytes_held(messages) == 0;
    if (unused) {
        message_close_object(messages);
    }
    lock_release(&message_lock);
    if (!unused) {
        errno = EBUSY;
        return -1;
    }
    return 0;
}

EXPORTED size_t sockmalloc_message_trim(struct sockmalloc_message *messages, size_t keep)
{
    if (messages == NULL || messages->types == 0) {
        errno = EINVAL;
        return 0;
    }
    return message_pages_trim(messages, keep);
}
