/* Manages the cache that each thread has for each message object (a set of message pages). A cache knows the page that
 * the thread fills, and one other page. For each of the two it counts the bytes that the thread has freed there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/message_thread.h"

#include <errno.h>
#include <pthread.h>

#include "buffers/buffer_memory.h"

LARGE_OBJECT struct sockmalloc_message message_objects[MESSAGE_OBJECTS];
struct lock message_lock;

/* The content of message_thread_none and message_thread_ended: each cache is marked as busy for ever, so that no thread
 * uses it. */
#define MESSAGE_BUSY_CACHE                                                                                             \
    {                                                                                                                  \
        .busy = 1, .filled_start = MESSAGE_NOWHERE, .pending_start = MESSAGE_NOWHERE                                   \
    }
#define MESSAGE_BUSY_RECORD                                                                                            \
    {                                                                                                                  \
        .cache = { [0 ... MESSAGE_OBJECTS - 1] = MESSAGE_BUSY_CACHE }                                                  \
    }
const struct message_thread message_thread_none = MESSAGE_BUSY_RECORD;
const struct message_thread message_thread_ended = MESSAGE_BUSY_RECORD;

_Thread_local struct message_thread *message_thread __attribute__((tls_model("initial-exec"))) =
    (struct message_thread *)&message_thread_none;

static _Atomic(struct message_thread *) newest;
static pthread_key_t exit_key;
static bool exit_key_made;

struct message_thread *message_thread_after(const struct message_thread *thread)
{
    /* acquire: this thread sees the members of the record, which were set before the record was published */
    return thread == NULL ? atomic_load_explicit(&newest, memory_order_acquire) : thread->older;
}

void message_cache_clear(struct message_cache *cache)
{
    atomic_store_explicit(&cache->filled_start, MESSAGE_NOWHERE, memory_order_relaxed);
    atomic_store_explicit(&cache->pending_start, MESSAGE_NOWHERE, memory_order_relaxed);
    atomic_store_explicit(&cache->next, NULL, memory_order_relaxed);
    cache->stop = NULL;
    cache->pending_page = NULL;
    counter_reset(&cache->freed);
    counter_reset(&cache->pending);
    atomic_store_explicit(&cache->busy, 0, memory_order_relaxed);
}

void message_cache_settle(struct sockmalloc_message *messages, struct message_cache *cache)
{
    uint64_t pending = counter_read(&cache->pending);
    if (pending == 0) {
        return;
    }
    /* If the thread dies between counter_reset and message_page_hold, the page is never reused, and no live message is
     * harmed. In the opposite order the frees might be subtracted twice, and the page be reused while it has live
     * messages. */
    counter_reset(&cache->pending);
    message_page_hold(messages, (uint32_t)(cache->pending_page - messages->page), -(int64_t)pending);
}

int64_t message_cache_held(const struct sockmalloc_message *messages, const struct message_cache *cache)
{
    uintptr_t start = message_filled_start(cache);
    if (start == MESSAGE_NOWHERE) {
        return 0;
    }
    char *next = atomic_load_explicit(&cache->next, memory_order_relaxed);
    return next - (char *)start - (int64_t)messages->unit - (int64_t)counter_read(&cache->freed);
}

void message_cache_retire(struct sockmalloc_message *messages, struct message_cache *cache)
{
    uintptr_t start = message_filled_start(cache);
    if (start == MESSAGE_NOWHERE) {
        return;
    }
    int64_t held = message_cache_held(messages, cache);
    uint32_t number = message_page_number(messages, (char *)start);
    atomic_store_explicit(&cache->filled_start, MESSAGE_NOWHERE, memory_order_relaxed);
    atomic_store_explicit(&cache->next, NULL, memory_order_relaxed);
    cache->stop = NULL;
    counter_reset(&cache->freed);
    message_page_hold(messages, number, held);
}

void message_cache_fill(struct sockmalloc_message *messages, struct message_cache *cache, uint32_t number)
{
    char *start = message_page_start(messages, number);
    counter_reset(&cache->freed);
    cache->stop = start + message_page_size(messages);
    atomic_store_explicit(&cache->next, start + messages->unit, memory_order_relaxed);
    atomic_store_explicit(&cache->filled_start, (uintptr_t)start, memory_order_relaxed);
}

/*
 * libc calls this function when a thread ends. In each message object the thread stops filling its page. The record of
 * the thread becomes free for another thread.
 */
static void message_thread_end(void *argument)
{
    struct message_thread *thread = argument;
    if (thread != message_thread) {
        /*
         * The record belongs to another thread. This happens in a fork child if a thread of the parent was ending at
         * the fork: a new thread of the child may get that thread's stack, and with it the thread-specific value that
         * names the record.
         */
        return;
    }
    message_thread = (struct message_thread *)&message_thread_ended;
    bool locked = lock_take(&message_lock);
    for (unsigned object = 0; object < MESSAGE_OBJECTS; object++) {
        if (message_objects[object].types != 0) {
            message_cache_settle(&message_objects[object], &thread->cache[object]);
            message_cache_retire(&message_objects[object], &thread->cache[object]);
        }
        message_cache_clear(&thread->cache[object]);
    }
    if (locked) {
        lock_release(&message_lock);
    }
    atomic_store_explicit(&thread->taken, 0, memory_order_release);
}

bool message_threads_open(void)
{
    exit_key_made = exit_key_made || pthread_key_create(&exit_key, message_thread_end) == 0;
    return exit_key_made;
}

/* Returns a record whose thread has ended, and reserves it for the caller. Returns NULL if there is none. */
static struct message_thread *message_thread_reuse(void)
{
    for (struct message_thread *thread = message_thread_after(NULL); thread != NULL; thread = thread->older) {
        /* acquire: this thread sees that the former owner of the record has cleared it */
        if (atomic_load_explicit(&thread->taken, memory_order_relaxed) == 0 &&
            atomic_exchange_explicit(&thread->taken, 1, memory_order_acquire) == 0) {
            return thread;
        }
    }
    return NULL;
}

/* Maps a new record, reserves it for the caller, and adds it to the list of records. Returns NULL if the kernel refuses
 * memory. */
static struct message_thread *message_thread_make(void)
{
    struct message_thread *thread = (struct message_thread *)(void *)buffer_map(sizeof *thread, 0);
    if (thread == NULL) {
        return NULL;
    }
    for (unsigned object = 0; object < MESSAGE_OBJECTS; object++) {
        message_cache_clear(&thread->cache[object]);
    }
    atomic_store_explicit(&thread->taken, 1, memory_order_relaxed);
    thread->older = atomic_load_explicit(&newest, memory_order_relaxed);
    /* release: a thread that finds the record sees its members */
    while (!atomic_compare_exchange_weak_explicit(&newest, &thread->older, thread, memory_order_release,
                                                  memory_order_relaxed)) {
    }
    return thread;
}

void message_thread_begin(void)
{
    int kept = errno;
    struct message_thread *thread = message_thread_reuse();
    thread = thread != NULL ? thread : message_thread_make();
    if (thread == NULL) {
        return;
    }
    if (message_thread != &message_thread_none) {
        /*
         * a signal handler has meanwhile got a record for this thread, so the record that was made here is not needed
         */
        atomic_store_explicit(&thread->taken, 0, memory_order_release);
        return;
    }
    message_thread = thread;
    if (pthread_setspecific(exit_key, thread) != 0) {
        message_thread_end(thread);
    }
    errno = kept;
}

COLD struct span message_threads_span(void)
{
    return (struct span){&newest, sizeof newest};
}

int64_t message_bytes_held(const struct sockmalloc_message *messages)
{
    int64_t held = 0;
    uint32_t front = atomic_load_explicit(&messages->front, memory_order_relaxed);
    for (uint32_t number = 0; number < front; number++) {
        held += atomic_load_explicit(&messages->page[number].held, memory_order_relaxed);
    }
    for (struct message_thread *thread = message_thread_after(NULL); thread != NULL;
         thread = message_thread_after(thread)) {
        const struct message_cache *cache = &thread->cache[messages - message_objects];
        held += message_cache_held(messages, cache) - (int64_t)counter_read(&cache->pending);
    }
    return held;
}

void message_threads_after_fork(void)
{
    for (struct message_thread *thread = message_thread_after(NULL); thread != NULL; thread = thread->older) {
        if (thread == message_thread) {
            continue;
        }
        for (unsigned object = 0; object < MESSAGE_OBJECTS; object++) {
            if (message_objects[object].types != 0) {
                message_cache_settle(&message_objects[object], &thread->cache[object]);
            }
            message_cache_clear(&thread->cache[object]);
        }
        atomic_store_explicit(&thread->taken, 0, memory_order_relaxed);
    }
}
