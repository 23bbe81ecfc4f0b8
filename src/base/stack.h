/* A lock-free stack (last in, first out) of numbers. The caller supplies the table of links, by which the numbers are
 * chained. */
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
 * An item of the stack is a number. The head is one word of two parts: a tag, and the number of the top item plus one,
 * which is zero if the stack is empty. The link of an item names the item below: it is the number part of the head at
 * the time at which the item was pushed.
 *
 * A thread may read the link of an item while another thread pops the item and uses it again. The read is atomic for
 * that reason, and the compare-and-swap that follows fails, because every removal advances the tag. The tag has 40
 * bits. At 20 million removals a second the tag repeats after 15 hours. The compare-and-swap of a stale head would
 * succeed (the ABA error) only if a thread slept for that long between its load and its compare-and-swap. (R. K.
 * Treiber, 1986, with the tag of IBM's System/370 Principles of Operation.)
 *
 * The stack is not wait-free: a push or a pop starts again if another thread has changed the head meanwhile. Any thread
 * and any signal handler may use a stack, because an interrupted operation leaves the stack whole.
 */
struct stack {
    _Alignas(CACHE_LINE) _Atomic uint64_t head;
};

typedef _Atomic uint32_t stack_link;

/* The number part of a head has STACK_NUMBER_BITS bits. All numbers of items are below STACK_NUMBERS, which is also the
 * mask of that part. */
enum { STACK_NUMBER_BITS = 24, STACK_NUMBERS = (1 << STACK_NUMBER_BITS) - 1 };

#define STACK_EMPTY UINT32_MAX /* stack_pop and stack_peek return this number if the stack is empty */

/*
 * Makes the compare-and-swap of stack_push and stack_pop. glibc has a flag that says if the process has only one
 * thread, and glibc's own malloc relies on it. As long as the flag is set, this function uses the x86-64 instruction
 * without the lock prefix. This takes a quarter of the time, and is safe, because no other thread exists, and a signal
 * handler cannot interrupt one instruction half-way.
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

/* Returns the number of the top item plus one, or 0 if the stack is empty. */
static inline uint32_t stack_top(uint64_t head)
{
    return (uint32_t)head & STACK_NUMBERS;
}

/*
 * Pushes an item, whose number is below STACK_NUMBERS. A thread that pops the item sees everything that was written
 * before the push. With a `shift` of 0 each number has a link of its own. With a `shift` above 0 the table of links is
 * shorter, because 2^shift neighbouring numbers share one link. The numbers of any two items that use this table must
 * then differ by 2^shift at least.
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

/* Removes the item that was pushed last and returns it. Returns STACK_EMPTY if the stack is empty. */
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

/* Returns true if the stack was empty when its head was read. Another thread may have pushed an item since. */
static inline bool stack_is_empty(const struct stack *stack)
{
    return stack_top(atomic_load_explicit(&stack->head, memory_order_relaxed)) == 0;
}

/* Returns the item that was on top when the head was read, or STACK_EMPTY. Another thread may have popped the item
 * since. */
static inline uint32_t stack_peek(const struct stack *stack)
{
    return stack_top(atomic_load_explicit(&stack->head, memory_order_relaxed)) - 1;
}

/*
 * Removes all items from the stack. Only the child of a fork may call this function, because there no other thread can
 * be using the stack. The tag advances, because a signal handler may have forked in the middle of this thread's own
 * push or pop. That push or pop goes on after the handler, and must find the head changed, so that it starts again.
 */
static inline void stack_reset(struct stack *stack)
{
    uint64_t head = atomic_load_explicit(&stack->head, memory_order_relaxed);
    uint64_t tag = (head & ~(uint64_t)STACK_NUMBERS) + (UINT64_C(1) << STACK_NUMBER_BITS);
    atomic_store_explicit(&stack->head, tag, memory_order_relaxed);
}

#endif
