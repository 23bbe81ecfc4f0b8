/* A lock-free LIFO of numbers, linked through a table that lies elsewhere. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_STACK_H
#define SOCKMALLOC_STACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#if HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>
#endif

#include "base/attributes.h"

/*
 * The contract. The head is one word, {tag, number of the top item plus one}; zero items is number
 * zero. An item's link is the word that the head's lower part had when the item was pushed. Links
 * are type-stable: a link may be read while another thread pops and reuses its item, which is why
 * the read is atomic; the compare-and-swap then fails, because every removal advances the tag. The
 * tag has 40 bits: at 20 million removals a second it comes round in 15 hours, in which a thread
 * would have to sleep between its load and its compare-and-swap. (R. K. Treiber, 1986, with the tag
 * of IBM's System/370 Principles of Operation.) Wait-free it is not: a push or pop retries when
 * another got in first. Any thread, signal handlers too: an interrupted operation leaves the stack
 * whole.
 */
struct stack {
    _Alignas(CACHE_LINE) _Atomic uint64_t head;
};

typedef _Atomic uint32_t stack_link;

enum { STACK_NUMBER_BITS = 24, STACK_NUMBERS = (1 << STACK_NUMBER_BITS) - 1 };

#define STACK_EMPTY UINT32_MAX /* what stack_pop says of a stack without items */

/*
 * The compare-and-swap of both. While the process has one thread (glibc's flag, which its own
 * malloc goes by), x86-64's without the lock prefix does: one instruction can't be interrupted
 * half-way by a handler, and nobody else is there. It costs a quarter of the locked one.
 */
#if defined(__x86_64__) && HAVE_SYS_SINGLE_THREADED_H
static inline bool stack_swap(struct stack *stack, uint64_t *seen, uint64_t wanted)
{
    if (__libc_single_threaded) {
        bool done;
        __asm__ volatile("cmpxchgq %3, %1" : "=@ccz"(done), "+m"(stack->head), "+a"(*seen) : "r"(wanted) : "memory");
        return done;
    }
    return atomic_compare_exchange_weak_explicit(&stack->head, seen, wanted, memory_order_acq_rel,
                                                 memory_order_acquire);
}
#else
static inline bool stack_swap(struct stack *stack, uint64_t *seen, uint64_t wanted)
{
    return atomic_compare_exchange_weak_explicit(&stack->head, seen, wanted, memory_order_acq_rel,
                                                 memory_order_acquire);
}
#endif

static inline uint32_t stack_top(uint64_t head)
{
    return (uint32_t)head & STACK_NUMBERS;
}

/*
 * Pushes one item below STACK_NUMBERS. What was written before it is seen by who pops it. The
 * numbers of all items of a table differ by 2^shift at least, so that the table is as much shorter;
 * with 0 each number has a link.
 */
static inline void stack_push(struct stack *stack, stack_link *links, unsigned shift, uint32_t item)
{
    uint64_t head = atomic_load_explicit(&stack->head, memory_order_relaxed);
    uint64_t tag;
    do {
        atomic_store_explicit(&links[item >> shift], stack_top(head), memory_order_relaxed);
        tag = head & ~(uint64_t)STACK_NUMBERS;
    } while (UNLIKELY(!stack_swap(stack, &head, tag | (item + 1))));
}

/* The item pushed last, or STACK_EMPTY. */
static inline uint32_t stack_pop(struct stack *stack, stack_link *links, unsigned shift)
{
    uint64_t head = atomic_load_explicit(&stack->head, memory_order_acquire);
    uint64_t next;
    do {
        if (stack_top(head) == 0) {
            return STACK_EMPTY;
        }
        uint32_t below = atomic_load_explicit(&links[(stack_top(head) - 1) >> shift], memory_order_relaxed);
        next = ((head & ~(uint64_t)STACK_NUMBERS) + (UINT64_C(1) << STACK_NUMBER_BITS)) | below;
    } while (UNLIKELY(!stack_swap(stack, &head, next)));
    return stack_top(head) - 1;
}

/* Whether there was no item a moment ago. */
static inline bool stack_is_empty(const struct stack *stack)
{
    return stack_top(atomic_load_explicit(&stack->head, memory_order_relaxed)) == 0;
}

/* The item on top, or STACK_EMPTY: it may be gone already. */
static inline uint32_t stack_peek(const struct stack *stack)
{
    return stack_top(atomic_load_explicit(&stack->head, memory_order_relaxed)) - 1;
}

/* Forgets all items. Only where no other thread can be inside: in the child of a fork. The tag
 * advances, so that an operation of this thread's own, which a handler interrupted to fork, begins
 * anew. */
static inline void stack_reset(struct stack *stack)
{
    uint64_t head = atomic_load_explicit(&stack->head, memory_order_relaxed);
    uint64_t tag = (head & ~(uint64_t)STACK_NUMBERS) + (UINT64_C(1) << STACK_NUMBER_BITS);
    atomic_store_explicit(&stack->head, tag, memory_order_relaxed);
}

#endif
