/* Wraps dlopen and dlmopen, and removes the flag RTLD_DEEPBIND. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/attributes.h"
#include "config/message.h"
#include "config/option.h"
#include "config/sources.h"

/*
 * A library that is loaded with RTLD_DEEPBIND finds the malloc and free of libc before those of a preloaded library.
 * Its free then ends the process at the first block that the program allocated. PHP loads its extensions with this
 * flag, and samba's ldb loads its modules with it.
 *
 * dlopen depends on its return address. The library that contains this address decides where dlopen searches files
 * without a slash (DT_RUNPATH, $ORIGIN) and into which namespace it loads them. So the wrappers for dlopen and dlmopen
 * end in a jump, which leaves the return address of the program in place. C cannot guarantee a jump, so the wrappers
 * are written in assembly. A machine without such assembly here has no wrapper, and RTLD_DEEPBIND keeps its meaning
 * there. musl does not know the flag.
 */
#if defined RTLD_DEEPBIND && ((defined __x86_64__ && defined __LP64__) || defined __aarch64__)

/* The result of load_open. It is returned in two registers, by the calling conventions of x86-64 and of aarch64. */
struct load {
    void *function; /* the address of the function to jump to */
    intptr_t flags; /* the flags that `function` gets */
};

INTERNAL __attribute__((used)) struct load load_open(const char *file, int flags);
INTERNAL __attribute__((used)) struct load load_open_in(Lmid_t space, const char *file, int flags);

/*
 * Stands in for dlopen or dlmopen if libc has no such function. Returns NULL, which means that no library was loaded.
 */
static void *load_nothing(void)
{
    return NULL;
}

/*
 * The addresses of libc's dlopen and dlmopen. They are looked up at the first call if that comes before this library's
 * constructor, because constructors of other libraries may call dlopen. If two threads look them up at the same time,
 * both find the same addresses, so no lock is needed. Signal handlers may call neither dlopen nor dlsym.
 */
static struct {
    _Atomic(void *) open; /* written last: if `open` is not NULL, all other members are set */
    void *open_in;
    int kept; /* a mask of the flags that are passed on to libc */
} next;

static void *load_find(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    return function != NULL ? function : (void *)(uintptr_t)load_nothing;
}

static void load_prepare(void)
{
    message_open(); /* must come first, because sources_open_own may print a message */
    sources_open_own();
    bool left_alone = option_peek(OPTION_DEEPBIND, sources_lookup) != 0;
    next.kept = left_alone ? ~0 : ~RTLD_DEEPBIND;
    next.open_in = load_find("dlmopen");
    atomic_store_explicit(&next.open, load_find("dlopen"), memory_order_release);
}

static COLD void *load_prepared(void)
{
    void *open = atomic_load_explicit(&next.open, memory_order_acquire);
    if (open != NULL) {
        return open;
    }
    load_prepare();
    return atomic_load_explicit(&next.open, memory_order_acquire);
}

__attribute__((constructor)) static void load_begin(void)
{
    load_prepared();
}

struct load load_open(const char *file, int flags)
{
    (void)file;
    void *open = load_prepared();
    return (struct load){open, flags & next.kept};
}

/*
 * Each namespace other than the program's has its own libc and does not contain this library, so RTLD_DEEPBIND does no
 * harm there and is passed on.
 */
struct load load_open_in(Lmid_t space, const char *file, int flags)
{
    (void)file;
    load_prepared();
    return (struct load){next.open_in, space == LM_ID_BASE ? flags & next.kept : flags};
}

/* Defines an exported function, whose body is written in assembly. */
#define FUNCTION(name, body)                                                                                           \
    __asm__(".pushsection .text\n"                                                                                     \
            ".balign 16\n"                                                                                             \
            ".globl " #name "\n"                                                                                       \
            ".type " #name ", %function\n" #name ":\n"                                                                 \
            ".cfi_startproc\n" body ".cfi_endproc\n"                                                                   \
            ".size " #name ", . - " #name "\n"                                                                         \
            ".popsection\n")

#if defined __x86_64__

/* load_open returns the function in %rax and the flags in %rdx. */
FUNCTION(dlopen, "endbr64\n"
                 "push %rdi\n"
                 ".cfi_adjust_cfa_offset 8\n"
                 "call load_open\n"
                 "pop %rdi\n"
                 ".cfi_adjust_cfa_offset -8\n"
                 "mov %rdx, %rsi\n"
                 "jmp *%rax\n");

FUNCTION(dlmopen, "endbr64\n"
                  "push %rdi\n"
                  ".cfi_adjust_cfa_offset 8\n"
                  "push %rsi\n"
                  ".cfi_adjust_cfa_offset 8\n"
                  "sub $8, %rsp\n" /* the stack pointer must be a multiple of 16 at a call */
                  ".cfi_adjust_cfa_offset 8\n"
                  "call load_open_in\n"
                  "add $8, %rsp\n"
                  ".cfi_adjust_cfa_offset -8\n"
                  "pop %rsi\n"
                  ".cfi_adjust_cfa_offset -8\n"
                  "pop %rdi\n"
                  ".cfi_adjust_cfa_offset -8\n"
                  "jmp *%rax\n"); /* %rdx already has the third argument, the flags */

#else

/* load_open returns the function in x0 and the flags in x1. "hint #34" is the instruction "bti c", which marks where an
 * indirect call may arrive. */
FUNCTION(dlopen, "hint #34\n"
                 "stp x29, x30, [sp, #-32]!\n"
                 ".cfi_def_cfa_offset 32\n"
                 ".cfi_offset x29, -32\n"
                 ".cfi_offset x30, -24\n"
                 "mov x29, sp\n"
                 "str x0, [sp, #16]\n"
                 "bl load_open\n"
                 "mov x16, x0\n"
                 "ldr x0, [sp, #16]\n"
                 "ldp x29, x30, [sp], #32\n"
                 ".cfi_restore x29\n"
                 ".cfi_restore x30\n"
                 ".cfi_def_cfa_offset 0\n"
                 "br x16\n"); /* x1 already has the second argument, the flags */

FUNCTION(dlmopen, "hint #34\n"
                  "stp x29, x30, [sp, #-32]!\n"
                  ".cfi_def_cfa_offset 32\n"
                  ".cfi_offset x29, -32\n"
                  ".cfi_offset x30, -24\n"
                  "mov x29, sp\n"
                  "stp x0, x1, [sp, #16]\n"
                  "bl load_open_in\n"
                  "mov x16, x0\n"
                  "mov x2, x1\n"
                  "ldp x0, x1, [sp, #16]\n"
                  "ldp x29, x30, [sp], #32\n"
                  ".cfi_restore x29\n"
                  ".cfi_restore x30\n"
                  ".cfi_def_cfa_offset 0\n"
                  "br x16\n");

#endif

#endif
