/*
 * Restartable sequences (rseq): pieces of code whose last instruction is a store to the record of the processor on
 * which the thread runs. A thread that is preempted before this store begins the sequence again.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RSEQ_H
#define SOCKMALLOC_RSEQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "cache/magazine.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#include "percpu/rseq_x86_64.h"
#elif defined(__aarch64__)
#include "percpu/rseq_aarch64.h"
#else
#include "percpu/rseq_none.h"
#endif

/*
 * Sources: P. Turner and A. Hunter, "Restartable sequences on a fast syscall ABI", Linux Plumbers 2013; M. Desnoyers,
 * rseq(2), Linux 4.18; glibc, which registers an area for each thread since 2.35.
 *
 * Each thread shares an area with the kernel. The area holds the number of the processor that the thread runs on, and a
 * pointer to the descriptor of the sequence that the thread is in: {first instruction, length, abort handler}. Before
 * the kernel returns to a thread that was preempted or migrated, or runs a signal handler in it, the kernel checks if
 * the next instruction of the thread lies inside that sequence. If so, the thread continues at the abort handler. Each
 * operation below is such a sequence. The last instruction of a sequence, the commit, is its only store that other
 * threads can notice. The abort handler starts the sequence again. What happens depends on where the thread is stopped:
 *
 *   before the pointer is stored        Nothing was read or written yet. A signal handler's own operations may change
 *                                       the pointer, which does no harm, because the thread stores it next.
 *   from there to just before           All that was read is read again: the processor's number and the top of its
 *   the commit                          magazine, which is the address behind the last entry. Only the entry at the top
 *                                       was written, and no thread reads it until a commit has moved the top past it.
 *   after the commit                    The operation is complete, and the thread stands outside the sequence.
 *
 * So from the load of the processor's number to the commit no other thread runs on that processor, and threads on
 * other processors do not write to the record of that processor. A load and a store are thus as safe as a locked
 * instruction. Signal handlers may call all operations, even if they interrupt one. A sequence that is stopped before
 * its end is repeated. This cannot go on forever: a thread that was stopped runs for a time slice afterwards, which is
 * far longer than the dozen instructions of a sequence.
 *
 * The pointer to the descriptor is not cleared after an operation. The kernel clears it when it next finds the thread
 * outside the sequence, and other code that uses rseq stores its own pointer. The kernel reads the old descriptor
 * before it clears the pointer, so the descriptors must stay mapped: the library is linked with -z nodelete.
 *
 * Threads on one processor see each other's stores in order. A thread that migrates keeps what it has seen, because a
 * context switch is a full barrier. Threads on other processors only read a record, for reports.
 *
 * The child of vfork must not use these operations, because it runs with its parent's area, and the kernel does not
 * know that the child uses that area. By POSIX such a child may not call malloc, and glibc's posix_spawn does not.
 */
struct rseq_area {
    /* the number of the processor, like `number`, but 0 if the thread is not registered */
    _Alignas(32) uint32_t number_at_start;
    uint32_t number;     /* the number of the processor; as int32_t it is negative if the thread is not registered */
    uint64_t descriptor; /* the address of the descriptor of the sequence that the thread is in, or was in last */
    uint32_t flags;
};

/*
 * The descriptor of a sequence, as the kernel reads it. The four bytes before the abort handler must be the signature
 * that was passed at registration, so that an attacker cannot make the kernel jump to any address.
 */
struct rseq_descriptor {
    _Alignas(32) uint32_t version;
    uint32_t flags;
    uint64_t start;
    uint64_t length;
    uint64_t abort;
};

_Static_assert(offsetof(struct rseq_area, number) == 4, "as the machines' instructions say");
_Static_assert(offsetof(struct rseq_area, descriptor) == 8, "as the machines' instructions say");
_Static_assert(offsetof(struct magazine, slot) == 8 && MAGAZINE_SIZE == 512, "as they say, too");

/*
 * A table with a record of RSEQ_RECORD bytes for each processor. An offset is the distance of a word from the start of
 * a record. If the number of the processor is not below `count`, the number of usable records, an operation does
 * nothing and fails. So operations fail on processors that were added later, and on all processors before percpu_open.
 * They also fail in a thread that is not registered: its processor's number is negative, which is larger than `count`
 * as an unsigned number.
 */
enum { RSEQ_RECORD = 1 << 12 /* the assembly code contains this number too */ };
struct rseq_table {
    char *records;
    _Atomic size_t count; /* the number of usable records; 0 before percpu_open */
    /* the distance from a thread's thread pointer to the area that glibc registers for the thread, as rseq_area_offset
     * returns it */
    ptrdiff_t area;
};

/*
 * Returns true if the calling thread is registered for restartable sequences. This requires glibc 2.35 or later, and a
 * kernel with rseq (valgrind and most emulators have none); and the tunable glibc.pthread.rseq must not be 0. rseq_pop
 * and the other operations may only be used in a process in which this function has returned true.
 */
bool rseq_available(void);

/*
 * Returns the distance from a thread's thread pointer to the area that glibc registers for the thread, for the member
 * `area` of struct rseq_table. Returns 0 if threads have no such area.
 */
ptrdiff_t rseq_area_offset(void);

/*
 * ThreadSanitizer does not notice the stores in assembly. Calls of __tsan_release and __tsan_acquire tell it about
 * their order: what a thread did before it pushed a slot or a magazine comes before what another thread does after it
 * has popped this slot or magazine.
 */
static const bool rseq_is_watched = UNDER_THREAD_SANITIZER;
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

/* Returns the magazine in which `top` points, or NULL if `top` is NULL. */
static inline struct magazine *rseq_magazine(void **top)
{
    return (struct magazine *)((uintptr_t)top & ~(uintptr_t)(MAGAZINE_SIZE - 1));
}

/*
 * Tells ThreadSanitizer that the calling thread releases a magazine and its slots. The slots come first, because their
 * addresses are read from the magazine, and another thread may write to the magazine as soon as it has acquired it. For
 * the same reason rseq_tell_acquire acquires the magazine first.
 */
static inline void rseq_tell_release(void **top)
{
    struct magazine *magazine = rseq_magazine(top);
    if (magazine != NULL) {
        for (void **slot = magazine->slot; slot < top; slot++) {
            __tsan_release(*slot);
        }
        __tsan_release(magazine);
    }
}

/* Tells ThreadSanitizer that the calling thread acquires a magazine and its slots. */
static inline void rseq_tell_acquire(void **top)
{
    struct magazine *magazine = rseq_magazine(top);
    if (magazine != NULL) {
        __tsan_acquire(magazine);
        for (void **slot = magazine->slot; slot < top; slot++) {
            __tsan_acquire(*slot);
        }
    }
}

static inline size_t rseq_count(const struct rseq_table *table)
{
    return atomic_load_explicit(&table->count, memory_order_relaxed);
}

/*
 * Pops the top slot of the magazine whose top is the word at `offset` in the record of the processor that the thread
 * runs on. Returns NULL if the magazine is empty or there is none. The lower bits of the top show if the magazine is
 * empty, because magazines are aligned.
 */
FAST_PATH void *rseq_pop(const struct rseq_table *table, size_t offset)
{
    void *slot = rseq_run_pop(table->records + offset, rseq_count(table), table->area);
    if (rseq_is_watched && slot != NULL) {
        __tsan_acquire(slot);
    }
    return slot;
}

/*
 * Pushes a slot onto the magazine whose top is the word at `offset` in the record of the processor that the thread runs
 * on. Returns false if the magazine holds `limit` bytes of pointers or more, or if there is none.
 */
FAST_PATH bool rseq_push(const struct rseq_table *table, size_t offset, void *slot, uint32_t limit)
{
    if (rseq_is_watched) {
        __tsan_release(slot);
    }
    return rseq_run_push(table->records + offset, rseq_count(table), table->area, slot, limit);
}

/*
 * Replaces the top `old` by `wanted`, which lies in another magazine or is NULL, if `old` still is the top of the
 * processor that the thread runs on. If the function returns true, the caller owns the magazine of `old` with the slots
 * below that top. If the top has changed and then changed back to `old`, this does no harm, because the magazine then
 * again holds the slots below that top.
 */
static inline bool rseq_swap(const struct rseq_table *table, size_t offset, void **old, void **wanted)
{
    if (rseq_is_watched) {
        rseq_tell_release(wanted);
    }
    bool done = rseq_run_swap(table->records + offset, rseq_count(table), table->area, old, wanted);
    if (rseq_is_watched && done) {
        rseq_tell_acquire(old);
    }
    return done;
}

/*
 * Adds to the counter at `offset` in the record of the processor that the thread runs on. Returns false if that
 * processor has no record.
 */
FAST_PATH bool rseq_add(const struct rseq_table *table, size_t offset, uint64_t amount)
{
    return rseq_run_add(table->records + offset, rseq_count(table), table->area, amount);
}

/* Reads the top of a magazine, for a later rseq_swap. Stores in `top` the word at `offset` in the record of the
 * processor that the thread runs on, or ran on a moment ago. Returns false if that processor has no record. */
static inline bool rseq_peek(const struct rseq_table *table, size_t offset, void ***top)
{
    size_t number = rseq_run_number(table->area);
    if (number >= rseq_count(table)) {
        return false;
    }
    char *word = table->records + number * RSEQ_RECORD + offset;
    *top = atomic_load_explicit((_Atomic(void **) *)(void *)word, memory_order_relaxed);
    return true;
}

#endif
