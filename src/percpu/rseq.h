/* Restartable sequences: one store into the record of the processor that a thread runs on, or none.
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
 * The contract. (P. Turner, A. Hunter, "Restartable sequences on a fast syscall ABI", Linux
 * Plumbers 2013; M. Desnoyers' rseq(2), Linux 4.18; glibc registers an area for each thread
 * since 2.35.)
 *
 * Each thread has an area that it shares with the kernel: the number of the processor that it runs
 * on, and a pointer to the descriptor of the sequence that it is in, {first instruction, length,
 * abort handler}. Whenever a thread that was preempted, has been migrated or is to run a signal
 * handler is about to go on in user space, the kernel looks whether it stands inside the sequence
 * that the pointer names; if so it goes on at the abort handler instead. Each operation below is
 * such a sequence. Its last instruction, the commit, is its one store into a record that anybody
 * else can notice; its abort handler begins it anew. By where the thread is stopped:
 *
 *   before the pointer is stored        nothing was read or written yet; a signal handler's own
 *                                       operations may change the pointer, and it is stored next
 *   from there to just before           all that was read is thrown away and read again: another
 *   the commit                          processor's number, or another top. What was written is the
 *                                       slot above the top, which is nobody's until a top says so
 *   after the commit                    it is done; the thread stands outside the sequence
 *
 * So from the reading of the number to the commit nobody else runs on that processor, and nobody
 * who runs on another one writes its record: a load and a store do what a locked instruction would.
 * Signal handlers may call everything here, also in the middle of everything here. An operation is
 * retried until it gets through: being stopped twice within a dozen instructions is rare, and being
 * stopped there every time is not possible, since whoever stops it lets it run for a time slice.
 *
 * The pointer is not cleared afterwards: the kernel does that when it next finds the thread
 * elsewhere, and other users of rseq store their own. The descriptors must stay mapped all the
 * same, since the kernel reads them to find out: the library is linked with -z nodelete.
 *
 * Threads of one processor see each other's stores in order, since it is one processor, and whoever
 * migrates brings along what he saw: switching is a full barrier. Other processors only ever read
 * a record, for reports.
 *
 * Not covered: the child of vfork, which runs on its parent's area but which the kernel does not
 * know there. It may not call malloc by POSIX; glibc's posix_spawn does not.
 */
struct rseq_area {
    _Alignas(32) uint32_t number_at_start; /* as `number`, but 0 where that is none */
    uint32_t number;                       /* as int32_t: below zero if there is no registration */
    uint64_t descriptor;                   /* of the sequence that the thread may be in */
    uint32_t flags;
};

/* How the kernel reads a sequence. The four bytes before the abort handler must be the signature
 * that was said at registration, so that not every address can be made one. */
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
 * One record a processor, each RSEQ_RECORD bytes; an offset is a word's place in each of them.
 * An operation on the record of a processor beyond the count does nothing and fails: processors
 * that were plugged in, threads without a registration, whose number as unsigned is the largest,
 * and any processor before the table is usable.
 */
enum { RSEQ_RECORD = 1 << 12 /* as the machines' instructions say */ };
struct rseq_table {
    char *records;
    _Atomic size_t count; /* usable from the start on */
    ptrdiff_t area;       /* from the thread pointer to the thread's area: rseq_area_offset */
};

/*
 * Whether the calling thread is registered: by a glibc that does so, unless its tunable says not
 * to, with a kernel that can (valgrind and most emulators can't). The operations are for processes
 * where this was true: elsewhere there is no area.
 */
bool rseq_available(void);

/* What a table's `area` must be; 0 where there is none. */
ptrdiff_t rseq_area_offset(void);

/*
 * ThreadSanitizer sees no store of an operation, and so must be told what orders whom: what a
 * thread did before it gave a slot or a magazine is seen by the one who takes it.
 */
static const bool rseq_is_watched = UNDER_THREAD_SANITIZER;
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

/* The record that a top lies in; NULL of NULL. */
static inline struct magazine *rseq_magazine(void **top)
{
    return (struct magazine *)((uintptr_t)top & ~(uintptr_t)(MAGAZINE_SIZE - 1));
}

/*
 * Says so of a magazine and of the slots in it. The magazine is released last and acquired first:
 * whoever acquires it may write to it, and the slots are read from it here.
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
 * The slot on top of the magazine whose top is the word at `offset`; NULL when it is empty or there
 * is none. The top alone says which: magazines are aligned, so that its lower bits are its place in
 * the record.
 */
FAST_PATH void *rseq_pop(const struct rseq_table *table, size_t offset)
{
    void *slot = rseq_run_pop(table->records + offset, rseq_count(table), table->area);
    if (rseq_is_watched && slot != NULL) {
        __tsan_acquire(slot);
    }
    return slot;
}

/* Puts a slot on top, unless the magazine holds `limit` bytes of pointers or more, or there is
 * none. */
FAST_PATH bool rseq_push(const struct rseq_table *table, size_t offset, void *slot, uint32_t limit)
{
    if (rseq_is_watched) {
        __tsan_release(slot);
    }
    return rseq_run_push(table->records + offset, rseq_count(table), table->area, slot, limit);
}

/*
 * Replaces one top by another, of another magazine or NULL, if it still is the running processor's:
 * whoever succeeds owns the magazine of the old one, with the slots below that top. A top that went
 * and came back does no harm: it is the magazine that it says, and it is there.
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

/* Adds to a counter of the running processor's record. */
FAST_PATH bool rseq_add(const struct rseq_table *table, size_t offset, uint64_t amount)
{
    return rseq_run_add(table->records + offset, rseq_count(table), table->area, amount);
}

/*
 * The top that a processor has on which the thread ran a moment ago: what rseq_swap wants to
 * know. False if that processor is beyond the table.
 */
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
