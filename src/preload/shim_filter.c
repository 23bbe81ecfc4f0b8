/* Wraps prctl and syscall, by which a program may set a seccomp filter, so that the library learns of the filter. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <linux/seccomp.h>
#include <mimalloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/attributes.h"
#include "base/bounds.h"
#include "config/message.h"
#include "os/sandbox.h"
#include "pool/pool_spare.h"

/*
 * The arguments of a system call as they lie in registers. If the caller has passed fewer, the others are whatever the
 * registers contain, as with libc's own syscall.
 */
typedef long syscall_function(long number, long a, long b, long c, long d, long e, long f);
typedef int prctl_function(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);

static prctl_function *next_prctl;

static void *filter_find(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) {
        message_die(MESSAGE_NO_CALL, name);
    }
    return function;
}

/*
 * Returns true if a call of prctl sets a filter. A call with a null pointer in place of the filter's code sets none.
 * Applications make such a call because its error tells them what the kernel can do.
 */
static bool filter_is_set_by_prctl(long option, long mode, long program)
{
    return (int)option == PR_SET_SECCOMP &&
           (mode == SECCOMP_MODE_STRICT || (mode == SECCOMP_MODE_FILTER && program != 0));
}

/* Notes that a filter is about to be set. This is done before the call that sets it, because the filter may be in force
 * for other threads before that call returns. */
static void filter_begin(bool sets)
{
    if (sets) {
        /* behind a filter, a sleeping thread could not purge the free slots that it keeps for itself */
        pool_drop_spares();
        sandbox_add_filter();
    }
}

static void filter_end(bool sets, bool refused)
{
    if (sets && refused) {
        sandbox_drop_filter();
    }
}

/* glibc declares prctl with `...`. On the supported machines, arguments behind `...` lie in the same registers as the
 * parameters declared here. */
int prctl_name(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) __asm__("prctl");
EXPORTED int prctl_name(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    if (UNLIKELY(next_prctl == NULL)) {
        next_prctl = (prctl_function *)filter_find("prctl");
    }
    bool sets = filter_is_set_by_prctl(option, (long)a, (long)b);
    filter_begin(sets);
    int result = next_prctl(option, a, b, c, d);
    filter_end(sets, result < 0);
    return result;
}

/*
 * The library's function syscall passes every call on to libc's function by a jump. It cannot call libc's function as
 * usual, because clone and vfork return twice, and at the second return the stack frame of the library's function would
 * not exist any more. Three system calls, which return only once, go through filter_look first: seccomp and prctl,
 * which set filters, and getrandom, which mimalloc calls for each new thread.
 */
#if (defined __x86_64__ && defined __LP64__) || defined __aarch64__

/*
 * Marks a variable that the function syscall reads before start-up writes it. Such a variable lies in .data, because
 * the loader has written to the first page of .data by then. On a page of the zeroed variables, the read and the later
 * write would each cause a page fault.
 */
#define EARLY_VARIABLE __attribute__((section(".data")))

/* The start and the end of the addresses at which mimalloc's library is loaded. */
static EARLY_VARIABLE uintptr_t fallback_start;
static EARLY_VARIABLE uintptr_t fallback_end;

INTERNAL EARLY_VARIABLE syscall_function *filter_next_syscall __attribute__((used));
INTERNAL void filter_find_syscall(void) __attribute__((used));
INTERNAL syscall_function filter_look __attribute__((used));
INTERNAL syscall_function filter_pass; /* filter_pass is defined below in assembly */

void filter_find_syscall(void)
{
    filter_next_syscall = (syscall_function *)filter_find("syscall");
}

static COLD int filter_bound_object(struct dl_phdr_info *object, size_t size, void *within)
{
    uintptr_t start = UINTPTR_MAX;
    uintptr_t end = 0;
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD) {
            uintptr_t first = object->dlpi_addr + segment->p_vaddr;
            start = LESSER(first, start);
            end = first + segment->p_memsz > end ? first + segment->p_memsz : end;
        }
    }
    if ((uintptr_t)within - start >= end - start) {
        return 0;
    }
    fallback_start = start;
    fallback_end = end;
    return 1; /* ends the search */
}

__attribute__((constructor)) static void filter_open(void)
{
    filter_find_syscall();
    next_prctl = (prctl_function *)filter_find("prctl");
    dl_iterate_phdr(filter_bound_object, (void *)mi_malloc);
}

static bool filter_is_set_by_seccomp(long operation, long program)
{
    return (unsigned)operation == SECCOMP_SET_MODE_STRICT ||
           ((unsigned)operation == SECCOMP_SET_MODE_FILTER && program != 0);
}

static bool filter_is_fallback(const void *caller)
{
    return (uintptr_t)caller - fallback_start < fallback_end - fallback_start;
}

/*
 * Returns true if mimalloc calls getrandom while a filter that the process has set is in force. Then getrandom fails
 * without a system call, for which the filter might kill the process. mimalloc then makes its random numbers from
 * addresses and the clock. Only the hardened free lists of mimalloc depend on random numbers.
 */
static bool filter_is_spared(long number, const void *caller)
{
    return (int)number == SYS_getrandom && filter_is_fallback(caller) && !sandbox_allows(SANDBOX_COMMON);
}

long filter_look(long number, long a, long b, long c, long d, long e, long f)
{
    if (filter_is_spared(number, CALLER)) {
        errno = EAGAIN;
        return -1;
    }
    bool sets = ((int)number == SYS_seccomp && filter_is_set_by_seccomp(a, c)) ||
                ((int)number == SYS_prctl && filter_is_set_by_prctl(a, b, c));
    filter_begin(sets);
    long result = filter_pass(number, a, b, c, d, e, f);
    filter_end(sets, result < 0);
    return result;
}

#define TEXT(number)    TEXT_OF(number)
#define TEXT_OF(number) #number

#endif

#if defined __x86_64__ && defined __LP64__

/*
 * The code jumps to libc's function, which finds the seventh argument on the stack, where the caller has put it. If
 * libc's function is not known yet, the code first looks it up, and saves all registers with arguments meanwhile.
 */
/* clang-format off */ /* clang-format would indent each string by the width of the one before */
__asm__(".pushsection .text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        ".p2align 4\n"
        "syscall:\n"
        "    endbr64\n"
        "    cmpl $" TEXT(__NR_seccomp) ", %edi\n"
        "    je filter_look\n"
        "    cmpl $" TEXT(__NR_prctl) ", %edi\n"
        "    je filter_look\n"
        "    cmpl $" TEXT(__NR_getrandom) ", %edi\n"
        "    je filter_look\n"
        ".hidden filter_pass\n"
        ".globl filter_pass\n"
        ".type filter_pass, @function\n"
        "filter_pass:\n"
        "    movq filter_next_syscall(%rip), %rax\n"
        "    testq %rax, %rax\n"
        "    je 1f\n"
        "    jmpq *%rax\n"
        "1:  pushq %rdi\n"
        "    pushq %rsi\n"
        "    pushq %rdx\n"
        "    pushq %rcx\n"
        "    pushq %r8\n"
        "    pushq %r9\n"
        "    subq $8, %rsp\n"
        "    call filter_find_syscall\n"
        "    addq $8, %rsp\n"
        "    popq %r9\n"
        "    popq %r8\n"
        "    popq %rcx\n"
        "    popq %rdx\n"
        "    popq %rsi\n"
        "    popq %rdi\n"
        "    jmpq *filter_next_syscall(%rip)\n"
        ".size filter_pass, . - filter_pass\n"
        ".size syscall, . - syscall\n"
        ".popsection\n");
/* clang-format on */

#elif defined __aarch64__

/* clang-format off */ /* clang-format would indent each string by the width of the one before */
__asm__(".pushsection .text\n"
        ".globl syscall\n"
        ".type syscall, %function\n"
        ".p2align 4\n"
        "syscall:\n"
        "    hint #34\n" /* bti c */
        "    cmp w0, #" TEXT(__NR_seccomp) "\n"
        "    b.eq filter_look\n"
        "    cmp w0, #" TEXT(__NR_prctl) "\n"
        "    b.eq filter_look\n"
        "    cmp w0, #" TEXT(__NR_getrandom) "\n"
        "    b.eq filter_look\n"
        ".hidden filter_pass\n"
        ".globl filter_pass\n"
        ".type filter_pass, %function\n"
        "filter_pass:\n"
        "    adrp x16, filter_next_syscall\n"
        "    ldr x16, [x16, :lo12:filter_next_syscall]\n"
        "    cbz x16, 1f\n"
        "    br x16\n"
        "1:  stp x29, x30, [sp, #-80]!\n"
        "    mov x29, sp\n"
        "    stp x0, x1, [sp, #16]\n"
        "    stp x2, x3, [sp, #32]\n"
        "    stp x4, x5, [sp, #48]\n"
        "    str x6, [sp, #64]\n"
        "    bl filter_find_syscall\n"
        "    ldp x0, x1, [sp, #16]\n"
        "    ldp x2, x3, [sp, #32]\n"
        "    ldp x4, x5, [sp, #48]\n"
        "    ldr x6, [sp, #64]\n"
        "    ldp x29, x30, [sp], #80\n"
        "    adrp x16, filter_next_syscall\n"
        "    ldr x16, [x16, :lo12:filter_next_syscall]\n"
        "    br x16\n"
        ".size filter_pass, . - filter_pass\n"
        ".size syscall, . - syscall\n"
        ".popsection\n");
/* clang-format on */

#endif
