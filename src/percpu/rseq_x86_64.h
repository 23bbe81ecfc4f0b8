/* Restartable sequences in x86-64 assembly. rseq.h explains what the sequences do and why they are correct. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RSEQ_X86_64_H
#define SOCKMALLOC_RSEQ_X86_64_H

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
 * handler lies in another section, so that the sequence need not jump over it. The signature of the abort handler is
 * the operand of an undefined instruction (ud1), so that disassemblers can read past the signature, and a jump to this
 * instruction traps.
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
    ".byte 0x0f, 0xb9, 0x3d\n\t"                                                                                       \
    ".long 0x53053053\n"                                                                                               \
    "4:\n\t"                                                                                                           \
    "jmp 5f\n\t"                                                                                                       \
    ".popsection\n"                                                                                                    \
    "5:\n\t"                                                                                                           \
    "leaq 3b(%%rip), %[word]\n\t"                                                                                      \
    "movq %[word], %%fs:8(%[area])\n"                                                                                  \
    "1:\n\t"                                                                                                           \
    "xorl %k[result], %k[result]\n\t"                                                                                  \
    "movl %%fs:4(%[area]), %k[word]\n\t"                                                                               \
    "cmpq %[count], %[word]\n\t"                                                                                       \
    "jae 2f\n\t"                                                                                                       \
    "shlq $12, %[word]\n\t"                                                                                            \
    "addq %[first], %[word]\n\t"

static inline uint32_t rseq_run_number(ptrdiff_t area)
{
    uint32_t number;
    __asm__ volatile("movl %%fs:4(%[area]), %[number]" : [number] "=r"(number) : [area] "r"(area));
    return number;
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
    uint32_t place;
    __asm__ volatile(RSEQ_BEGIN /* `word` is the address of the top of the processor's magazine */
                     "movq (%[word]), %[top]\n\t"
                     "movl %k[top], %[place]\n\t"
                     "andl $511, %[place]\n\t"
                     "cmpl $8, %[place]\n\t"
                     "jbe 2f\n\t"
                     "movq -8(%[top]), %[result]\n\t"
                     "subq $8, %[top]\n\t"
                     "movq %[top], (%[word])\n" /* the commit */
                     "2:"
                     : [result] "=&r"(slot), [word] "=&r"(word), [top] "=&r"(top), [place] "=&r"(place)
                     : [first] "r"(first), [count] "r"(count), [area] "r"(area)
                     : "memory", "cc");
    return slot;
}

/*
 * The offset of the top in its magazine, minus 8, is how many bytes of pointers the magazine holds. If there is no
 * magazine, the top is NULL: the offset is 0, the subtraction wraps around, and the result exceeds each limit.
 */
FAST_PATH bool rseq_run_push(char *first, size_t count, ptrdiff_t area, void *slot, uint32_t limit)
{
    uint32_t done;
    char *word;
    void **top;
    uint32_t place;
    __asm__ volatile(RSEQ_BEGIN /* `word` is the address of the top of the processor's magazine */
                     "movq (%[word]), %[top]\n\t"
                     "movl %k[top], %[place]\n\t"
                     "andl $511, %[place]\n\t"
                     "subl $8, %[place]\n\t"
                     "cmpl %[limit], %[place]\n\t"
                     "jae 2f\n\t"
                     "movq %[slot], (%[top])\n\t" /* writes above the top, where no thread reads yet */
                     "addq $8, %[top]\n\t"
                     "movl $1, %[result]\n\t"
                     "movq %[top], (%[word])\n" /* the commit */
                     "2:"
                     : [result] "=&r"(done), [word] "=&r"(word), [top] "=&r"(top), [place] "=&r"(place)
                     : [first] "r"(first), [count] "r"(count), [area] "r"(area), [slot] "r"(slot), [limit] "r"(limit)
                     : "memory", "cc");
    return done != 0;
}

static inline bool rseq_run_swap(char *first, size_t count, ptrdiff_t area, void **old, void **wanted)
{
    uint32_t done;
    char *word;
    __asm__ volatile(RSEQ_BEGIN /* `word` is the address of the top of the processor's magazine */
                     "cmpq %[old], (%[word])\n\t"
                     "jne 2f\n\t"
                     "movl $1, %[result]\n\t"
                     "movq %[wanted], (%[word])\n" /* the commit */
                     "2:"
                     : [result] "=&r"(done), [word] "=&r"(word)
                     : [first] "r"(first), [count] "r"(count), [area] "r"(area), [old] "r"(old), [wanted] "r"(wanted)
                     : "memory", "cc");
    return done != 0;
}

/* One instruction loads, adds and stores, so a thread cannot be stopped in the middle of the addition. */
FAST_PATH bool rseq_run_add(char *first, size_t count, ptrdiff_t area, uint64_t amount)
{
    uint32_t done;
    char *word;
    __asm__ volatile(RSEQ_BEGIN /* `word` is the address of the counter */
                     "movl $1, %[result]\n\t"
                     "addq %[amount], (%[word])\n" /* the commit */
                     "2:"
                     : [result] "=&r"(done), [word] "=&r"(word)
                     : [first] "r"(first), [count] "r"(count), [area] "r"(area), [amount] "er"(amount)
                     : "memory", "cc");
    return done != 0;
}

#undef RSEQ_BEGIN

#endif
