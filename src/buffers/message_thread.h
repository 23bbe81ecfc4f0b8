/* Manages the cache that each thread has for each message object (a set of message pages). A cache knows the page that
 * the thread fills, and one other page. For each of the two it counts the bytes that the thread has freed there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MESSAGE_THREAD_H
#define SOCKMALLOC_MESSAGE_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/counter.h"
#include "base/span.h"
#include "buffers/message_page.h"
#include "buffers/size_statistics.h"
#include "os/lock.h"

/*
 * The cache of one thread for one object of message pages. Only that thread writes to the cache. Other threads read
 * some members for statistics, and those are relaxed atomics.
 *
 * `busy` is true while the thread is inside a function that changes the cache. A signal handler that finds it true has
 * interrupted such a function, and leaves the cache alone: it allocates from a page of its own, and frees by an atomic
 * subtraction. The caches of message_thread_none are busy for ever, so that the fast paths need no test for a thread
 * without a record.
 *
 * As long as a thread frees messages of one page, it adds their bytes to a count in the cache, and does not touch the
 * record of the page: `freed` counts bytes of the page that the thread fills, and `pending` counts bytes of the page
 * that `pending_start` names. So a thread that frees messages in the order of their allocation makes one atomic
 * subtraction for a page.
 */
struct message_cache {
    _Alignas(2 * CACHE_LINE) _Atomic(char *) next; /* the address at which the next message begins */
    char *stop; /* the end of the page, which no message reaches; NULL if the thread fills no page */
    /* The start of the page that the thread fills, and the start of the other page in which the cache counts frees.
     * MESSAGE_NOWHERE stands for no page. */
    _Atomic uintptr_t filled_start;
    _Atomic uintptr_t pending_start;
    struct counter freed;              /* bytes that this thread has freed in the page that it fills */
    struct counter pending;            /* bytes that this thread has freed in `pending_page`, not yet subtracted */
    struct message_page *pending_page; /* the record of the page that `pending_start` names */
    _Atomic uint32_t busy;
    /* an array with the statistics of each type of messages; NULL if none are counted */
    _Atomic(struct size_statistics *) statistics;
};

/* Stands for the start of a page that does not exist. No page starts there, and no AND of an address with page_mask
 * gives this number, not even with the page_mask of a closed message object, which is 0. */
#define MESSAGE_NOWHERE 1

enum { MESSAGE_OBJECTS = 31 };

/* The record of a thread, with its cache for each message object. Records are never unmapped: when a thread has ended,
 * a later thread gets its record and continues its statistics. */
struct message_thread {
    _Atomic uint32_t taken;       /* 1 while a thread has the record */
    struct message_thread *older; /* the record that was made before this one; NULL in the first */
    struct message_cache cache[MESSAGE_OBJECTS];
};

/* All message objects (sets of message pages), open and closed. The number of an object is its index in this array.
 * message_lock is held while an object is opened or closed, and while an ending thread uses the open objects. */
INTERNAL extern struct sockmalloc_message message_objects[MESSAGE_OBJECTS];
INTERNAL extern struct lock message_lock;

/* Stands in place of the record of a thread that has none yet. Its caches are busy for ever. */
INTERNAL extern const struct message_thread message_thread_none;

/*
 * Stands in place of the record of a thread whose destructors of thread-specific data have run. Such a thread may still
 * free messages, because libc frees blocks of its own after these destructors. The thread gets no other record, because
 * nothing would release that record again.
 */
INTERNAL extern const struct message_thread message_thread_ended;
/* The record of the calling thread, or one of the two records above, which no code writes to. */
INTERNAL extern _Thread_local struct message_thread *message_thread __attribute__((tls_model("initial-exec")));

/* Returns true if the calling thread has a record of its own. */
static inline bool message_thread_has_record(void)
{
    return message_thread != &message_thread_none && message_thread != &message_thread_ended;
}

/* Returns the cache for a message object in the calling thread's record. */
FAST_PATH struct message_cache *message_cache_of(const struct sockmalloc_message *messages)
{
    return (struct message_cache *)(void *)((char *)message_thread + messages->cache_offset);
}

static inline uint32_t message_cache_offset(unsigned object)
{
    return (uint32_t)(offsetof(struct message_thread, cache) + object * sizeof(struct message_cache));
}

/* message_cache_enter marks the cache as being changed by its thread, and message_cache_leave as complete again. The
 * fences keep the compiler from moving the changes before or behind the mark. */
FAST_PATH void message_cache_enter(struct message_cache *cache)
{
    atomic_store_explicit(&cache->busy, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

FAST_PATH void message_cache_leave(struct message_cache *cache)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&cache->busy, 0, memory_order_relaxed);
}

FAST_PATH bool message_cache_is_busy(const struct message_cache *cache)
{
    return atomic_load_explicit(&cache->busy, memory_order_relaxed) != 0;
}

FAST_PATH uintptr_t message_filled_start(const struct message_cache *cache)
{
    return atomic_load_explicit(&cache->filled_start, memory_order_relaxed);
}

FAST_PATH uintptr_t message_pending_start(const struct message_cache *cache)
{
    return atomic_load_explicit(&cache->pending_start, memory_order_relaxed);
}

/* Returns the statistics of the cache's thread, an array with one element for each type, or NULL. Acquire: the thread
 * sees the zeros with which the kernel has filled new statistics. On x86-64 this needs no instruction. */
FAST_PATH struct size_statistics *message_statistics_of(const struct message_cache *cache)
{
    return atomic_load_explicit(&cache->statistics, memory_order_acquire);
}

/* Arranges that the library is told from now on when a thread ends. Returns false if libc has no key of thread-specific
 * data left for this. Called when a message object is opened. */
INTERNAL bool message_threads_open(void);

/*
 * Gives the calling thread a record. The thread must have none. If the kernel refuses memory, the thread stays without
 * a record. A signal handler may call the function only where it may call pthread_setspecific. With glibc it may, as
 * long as the process has fewer than 32 keys.
 */
INTERNAL void message_thread_begin(void);

/* Walks through all records, from the newest to the oldest. Returns the newest record if `thread` is NULL, and
 * otherwise the record that was made before `thread`, or NULL if `thread` is the oldest. */
INTERNAL struct message_thread *message_thread_after(const struct message_thread *thread);

/* Returns the place where the address of the newest record is stored. Another process, which inspects this one, finds
 * all records through that place. */
INTERNAL struct span message_threads_span(void);

/* Removes from a cache the page that the thread fills, the other page whose frees the cache counts, and the counts of
 * frees. Keeps the cache's statistics. */
INTERNAL void message_cache_clear(struct message_cache *cache);

/* Subtracts the frees that the cache has counted in `pending_page` from the page's `held` bytes. If no live message is
 * left there, makes the page ready for reuse. */
INTERNAL void message_cache_settle(struct sockmalloc_message *messages, struct message_cache *cache);

/* Makes the thread stop filling its page. The page is reused as soon as its last message has been freed. */
INTERNAL void message_cache_retire(struct sockmalloc_message *messages, struct message_cache *cache);

/* Lets the thread fill the page with the number `number`, which must be empty. */
INTERNAL void message_cache_fill(struct sockmalloc_message *messages, struct message_cache *cache, uint32_t number);

/* Returns how many bytes of messages the thread has allocated in the page that it fills, less what this thread has
 * freed of them. */
INTERNAL int64_t message_cache_held(const struct sockmalloc_message *messages, const struct message_cache *cache);

/* Returns how many bytes all live messages take with their headers; 0 if no message is live. While other threads
 * allocate and free, the result is not exact. */
INTERNAL int64_t message_bytes_held(const struct sockmalloc_message *messages);

/* Called in the child of a fork. Threads of the parent had counted frees in their caches: subtracts these frees from
 * the `held` bytes of the pages. Clears the caches of all threads but the calling one. */
INTERNAL void message_threads_after_fork(void);

#endif
