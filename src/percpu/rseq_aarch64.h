/* Restartable sequences in aarch64 assembly. rseq.h explains what the sequences do and why they are correct. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RSEQ_AARCH64_H
#define SOCKMALLOC_RSEQ_AARCH64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

enum { RSEQ_IS_KNOWN = 1 };

/*
 * The code with which each sequence begins. Its labels mean: 1 is the first instruction of the sequence, 2 is the first
 * instruction after the commit (the store that ends the sequence), 3 is the descriptor, 4 is the abort handler, and 5
 * is where the handler begins the sequence again. A jump to label 2 leaves the sequence without a commit.
 *
 * The descriptor lies in a writable section, because the dynamic linker relocates the addresses in it. The abort
 * handler lies in another section, so that the sequence need not jump over it. The signature of the abort handler is an
 * instruction that traps (brk 0x45e0). The signature is written as an instruction, so that it equals the registered
 * value in either byte order.
 *
 * The sequence begins at label 1. There each attempt sets the result to 0 again. Then `word` becomes the address of the
 * word in the record of the processor that the thread runs on; `first` is the address of this word in the first record.
 * If the processor's number is not below `count`, the sequence ends. The comparison is unsigned, so the number of an
 * unregistered thread, which is negative, exceeds each count.
 */
#define RSEQ_BEGIN                                                                                                     \
    ".pushsection __rseq_cs, \"aw\"\n\t"                                                                               \
    ".balign 32\n"                                                                                                     \
    "3:\n\t"                                                                                                           \
    ".long 0, 0\n\t"                                                                                                   \
    ".quad 1f, 2f - 1f, 4f\n\t"                                                                                        \
    ".popsection\n\t"                                                                                                  \
    ".pushsection __rseq_failure, \"ax\"\n\t"                                                                          \
    ".balign 4\n\t"                                                                                                    \
    ".inst 0xd428bc00\n"                                                                                               \
    "4:\n\t"                                                                                                           \
    "b 5f\n\t"                                                                                                         \
    ".popsection\n"                                                                                                    \
    "5:\n\t"                                                                                                           \
    "adrp %[word], 3b\n\t"                                                                                             \
    "add %[word], %[word], :lo12:3b\n\t"                                                                               \
    "str %[word], [%[area], #8]\n"                                                                                     \
    "1:\n\t"                                                                                                           \
    "mov %[result], xzr\n\t"                                                                                           \
    "ldr %w[word], [%[area], #4]\n\t"                                                                                  \
    "cmp %[word], %[count]\n\t"                                                                                        \
    "b.hs 2f\n\t"                                                                                                      \
    "add %[word], %[first], %[word], lsl #12\n\t"

static inline char *rseq_area_of_thread(ptrdiff_t area)
{
    return (char *)__builtin_thread_pointer() + area;
}

static inline uint32_t rseq_run_number(ptrdiff_t area)
{
    return *(const volatile uint32_t *)(const void *)(rseq_area_of_thread(area) + 4);
}

/*
 * The lower bits of the top are its offset in the magazine, because magazines are aligned. They are 8 if the magazine
 * is empty, and 0 if there is no magazine (the top is NULL), so one comparison tests for both cases. The result is a
 * slot only if the commit (the last store of the sequence) was reached: if the thread is stopped after the load of the
 * slot and before the commit, a new attempt begins, which sets the result to 0 again.
 */
FAST_PATH void *rseq_run_pop(char *first, size_t count, ptrdiff_t area)
{
    void *slot;
    char *word;
    void **top;
    size_t place;
    __asm__ volatile(RSEQ_BEGIN /* `word` is the address of the top of the processor's magazine */
                     "ldr %[top], [%[word]]\n\t"
                     "and %[place], %[top], #511\n\t"
                     "cmp %[place], #8\n\t"
                     "b.ls 2f\n\t"
                     "ldr %[result], [%[top], #-8]!\n\t"
                     "str %[top], [%[word]]\n" /* the commit */
                     "2:"
                     : [result] "=&r"(slot), [word] "=&r"(word), [top] "=&r"(top), [place] "=&r"(place)
                     : [first] "r"(first), [count] "r"(count), [area] "r"(rseq_area_of_thread(area))
                     : "memory", "cc");
    return slot;
}

/*
 * The offset of the top in its magazine, minus 8, is how many bytes of pointers the magazine holds. If there is no
 * magazine, the top is NULL: the offset is 0, the subtraction wraps around, and the result exceeds each limit.
 */
FAST_PATH bool rseq_run_push(char *first, size_t count, ptrdiff_t area, void *slot, uint32_t limit)
{
    size_t done;
    char *word;
    void **top;
    size_t place;
    __asm__ volatile(RSEQ_BEGIN /* `word` is the address of the top of the processor's magazine */
                     "ldr %[top], [%[word]]\n\t"
                     "and %[place], %[top], #511\n\t"
                     "sub %[place], %[place], #8\n\t"
                     "cmp %[place], %[limit]\n\t"
                     "b.hs 2f\n\t"
                     "str %[slot], [%[top]], #8\n\t" /* writes above the top, where no thread reads yet */
                     "mov %[result], #1\n\t"
                     "str %[top], [%[word]]\n" /* the commit */
                     "2:"
                     : [result] "=&r"(done), [word] "=&r"(word), [top] "=&r"(top), [place] "=&r"(place)
                     : [first] "r"(first), [count] "r"(count), [area] "r"(rseq_area_of_thread(area)), [slot] "r"(slot),
                       [limit] "r"((size_t)limit)
                     : "memory", "cc");
    return done != 0;
}

static inline bool rseq_run_swap(char *first, size_t count, ptrdiff_t area, void **old, void **wanted)
{
    size_t done;
    char *word;
    void **top;
    __asm__ volatile(RSEQ_BEGIN /* `word` is the address of the top of the processor's magazine */
                     "ldr %[top], [%[word]]\n\t"
                     "cmp %[top], %[old]\n\t"
                     "b.ne 2f\n\t"
                     "mov %[result], #1\n\t"
                     "str %[wanted], [%[word]]\n" /* the commit */
                     "2:"
                     : [result] "=&r"(done), [word] "=&r"(word), [top] "=&r"(top)
                     : [first] "r"(first), [count] "r"(count), [area] "r"(rseq_area_of_thread(area)), [old] "r"(old),
                       [wanted] "r"(wanted)
                     : "memory", "cc");
    return done != 0;
}

FAST_PATH bool rseq_run_add(char *first, size_t count, ptrdiff_t area, uint64_t amount)
{
    size_t done;
    char *word;
    uint64_t sum;
    __asm__ volatile(
        RSEQ_BEGIN /* `word` is the address of the counter */
        "ldr %[sum], [%[word]]\n\t"
        "add %[sum], %[sum], %[amount]\n\t"
        "mov %[result], #1\n\t"
        "str %[sum], [%[word]]\n" /* the commit */
        "2:"
        : [result] "=&r"(done), [word] "=&r"(word), [sum] "=&r"(sum)
        : [first] "r"(first), [count] "r"(count), [area] "r"(rseq_area_of_thread(area)), [amount] "r"(amount)
        : "memory", "cc");
    return done != 0;
}

#undef RSEQ_BEGIN

#endif
