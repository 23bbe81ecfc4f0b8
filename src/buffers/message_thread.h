/* What a thread keeps for each object of message pages: the page that it fills, and the page that it frees in. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MESSAGE_THREAD_H
#define SOCKMALLOC_MESSAGE_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/counter.h"
#include "buffers/message_page.h"
#include "buffers/size_statistics.h"
#include "os/lock.h"

/*
 * A thread's part for one object. One thread writes it. Others read it for figures, and so its members are relaxed
 * atomics.
 *
 * `busy` is true while the thread is inside a function that changes the cache. A signal handler that finds it true has
 * interrupted such a function, and leaves the cache alone: it allocates from a page of its own, and frees by an atomic
 * subtraction. The caches of message_thread_none are busy for ever, so that a thread without a record needs no test.
 *
 * Frees are counted in the cache, and not in the page, as long as a thread frees one message after the other in the
 * same page: `freed` are bytes of the page that the thread fills, `pending` are bytes of the page that `pending_start`
 * names. So a thread that frees messages in the order of their allocation makes one atomic subtraction for a page.
 */
struct message_cache {
    _Alignas(2 * CACHE_LINE) _Atomic(char *) next; /* where the next message begins */
    char *stop; /* the end of the page; no message reaches it. NULL if the thread fills no page */
    /* the starts of both pages; MESSAGE_NOWHERE where there is none */
    _Atomic uintptr_t filled_start;
    _Atomic uintptr_t pending_start;
    struct counter freed;
    struct counter pending;
    struct message_page *pending_page;
    _Atomic uint32_t busy;
    _Atomic(struct size_statistics *) statistics; /* one for each type; NULL if none are counted */
};

/* No start of a page, and not the lower bits of an address either, for which an object that was closed takes it. */
#define MESSAGE_NOWHERE 1

enum { MESSAGE_OBJECTS = 31 };

/* The record of a thread. Records are never unmapped. A later thread takes over the record of one that has ended, and
 * goes on with its statistics. */
struct message_thread {
    _Atomic uint32_t taken;
    struct message_thread *older; /* the record that was made before this one, or NULL */
    struct message_cache cache[MESSAGE_OBJECTS];
};

/* All objects, open and closed; the number of an object is its place here. message_lock guards opening and closing, and
 * the ends of threads, which use the objects that are open. */
INTERNAL extern struct sockmalloc_message message_objects[MESSAGE_OBJECTS];
INTERNAL extern struct lock message_lock;

INTERNAL extern const struct message_thread message_thread_none;

/*
 * The record of a thread whose destructors of thread-specific data have run. Such a thread may still free messages:
 * libc frees its own blocks last. It gets no record again, because nothing would take that one back.
 */
INTERNAL extern const struct message_thread message_thread_ended;
INTERNAL extern _Thread_local struct message_thread *message_thread __attribute__((tls_model("initial-exec")));

/* Returns true if the calling thread has a record of its own. */
static inline bool message_thread_has_record(void)
{
    return message_thread != &message_thread_none && message_thread != &message_thread_ended;
}

/* Returns the calling thread's cache of an object. */
FAST_PATH struct message_cache *message_cache_of(const struct sockmalloc_message *messages)
{
    return (struct message_cache *)(void *)((char *)message_thread + messages->cache_offset);
}

static inline uint32_t message_cache_offset(unsigned object)
{
    return (uint32_t)(offsetof(struct message_thread, cache) + object * sizeof(struct message_cache));
}

/* Marks the cache as being changed by its thread, or as whole again. The fences keep the compiler from moving what the
 * thread does in between. */
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

/* Returns the statistics of a cache's thread, one for each type, or NULL. Acquire: the kernel has cleared them before
 * they were published, and x86-64 needs no instruction for it. */
FAST_PATH struct size_statistics *message_statistics_of(const struct message_cache *cache)
{
    return atomic_load_explicit(&cache->statistics, memory_order_acquire);
}

/* Notices the ends of threads from now on. Returns false if libc has no key for that. Called when an object is
 * opened. */
INTERNAL bool message_threads_open(void);

/*
 * Finds a record for a thread that has none. Does nothing if the kernel refuses memory. Signal-safe where
 * pthread_setspecific is: in glibc, if the process has fewer than 32 keys.
 */
INTERNAL void message_thread_begin(void);

/* Walks all records, the newest first: returns the newest for NULL, and NULL behind the oldest. */
INTERNAL struct message_thread *message_thread_after(const struct message_thread *thread);

/* Forgets what a cache holds, and keeps its statistics. */
INTERNAL void message_cache_clear(struct message_cache *cache);

/* Subtracts the frees that the cache has counted from the page that they belong to. */
INTERNAL void message_cache_settle(struct sockmalloc_message *messages, struct message_cache *cache);

/* Takes the page away that the thread fills. The page is recycled as soon as its last message is freed. */
INTERNAL void message_cache_retire(struct sockmalloc_message *messages, struct message_cache *cache);

/* Lets the thread fill this page, which is empty. */
INTERNAL void message_cache_fill(struct sockmalloc_message *messages, struct message_cache *cache, uint32_t number);

/* Returns the bytes of messages in the page that the thread fills, less what the thread has freed of them. */
INTERNAL int64_t message_cache_held(const struct sockmalloc_message *messages, const struct message_cache *cache);

/* Returns the bytes of all live messages with their headers: 0 if nothing is live. The sum is not exact while other
 * threads allocate and free. */
INTERNAL int64_t message_bytes_held(const struct sockmalloc_message *messages);

/* Subtracts the frees that threads of the parent had counted, in the child of a fork, and clears the caches of all
 * threads but the calling one. */
INTERNAL void message_threads_after_fork(void);

#endif
