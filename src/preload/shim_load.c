/* The shim: dlopen and dlmopen, which drop the flag RTLD_DEEPBIND. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/attributes.h"
#include "config/option.h"

/*
 * An object that is loaded with RTLD_DEEPBIND finds the C library's malloc and free before those of
 * a preloaded library. Its free then ends the process at the first block that came from the
 * program. PHP loads its extensions in this way, and samba's ldb its modules.
 *
 * dlopen goes by its return address: the object that the address lies in says where files without a
 * slash are searched (DT_RUNPATH, $ORIGIN) and which namespace they are loaded into. The names
 * below therefore end in a jump, which leaves the program's return address where it was. C can't
 * promise that, so they are written in assembly, and machines that have none here have no wrapper:
 * RTLD_DEEPBIND does there what it does without the library. musl does not know the flag.
 */
#if defined RTLD_DEEPBIND && ((defined __x86_64__ && defined __LP64__) || defined __aarch64__)

/* Two registers, by the calling conventions of both machines. */
struct load {
    void *function; /* to jump to */
    intptr_t flags; /* to call it with */
};

INTERNAL __attribute__((used)) struct load load_open(const char *file, int flags);
INTERNAL __attribute__((used)) struct load load_open_in(Lmid_t space, const char *file, int flags);

/* In place of what the C library lacks: no object was loaded. */
static void *load_nothing(void)
{
    return NULL;
}

/*
 * The constructors of the program's other libraries run before ours and may call dlopen. What is
 * needed is therefore looked up at the first call, if that comes before start. Two threads that do
 * so at the same time find the same. Neither dlopen nor dlsym may be called in a signal handler.
 */
static struct {
    _Atomic(void *) open; /* written last: the others are there where it is */
    void *open_in;
    int kept; /* the flags that are passed on */
} next;

static void *load_find(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    return function != NULL ? function : (void *)(uintptr_t)load_nothing;
}

static void load_prepare(void)
{
    bool left_alone = option_peek(OPTION_DEEPBIND, secure_getenv) != 0;
    next.kept = left_alone ? ~0 : ~RTLD_DEEPBIND;
    next.open_in = load_find("dlmopen");
    atomic_store_explicit(&next.open, load_find("dlopen"), memory_order_release);
}

static void *load_prepared(void)
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

/* Every other namespace has a C library of its own, and the library is not in it: there the flag
 * changes no malloc. */
struct load load_open_in(Lmid_t space, const char *file, int flags)
{
    (void)file;
    load_prepared();
    return (struct load){next.open_in, space == LM_ID_BASE ? flags & next.kept : flags};
}

/* An exported function of this name, whose body is written in assembly. */
#define FUNCTION(name, body)                                                                                           \
    __asm__(".pushsection .text\n"                                                                                     \
            ".balign 16\n"                                                                                             \
            ".globl " #name "\n"                                                                                       \
            ".type " #name ", %function\n" #name ":\n"                                                                 \
            ".cfi_startproc\n" body ".cfi_endproc\n"                                                                   \
            ".size " #name ", . - " #name "\n"                                                                         \
            ".popsection\n")

#if defined __x86_64__

/* The results are in %rax and %rdx. */
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
                  "sub $8, %rsp\n" /* a call needs a stack that is aligned to 16 bytes */
                  ".cfi_adjust_cfa_offset 8\n"
                  "call load_open_in\n"
                  "add $8, %rsp\n"
                  ".cfi_adjust_cfa_offset -8\n"
                  "pop %rsi\n"
                  ".cfi_adjust_cfa_offset -8\n"
                  "pop %rdi\n"
                  ".cfi_adjust_cfa_offset -8\n"
                  "jmp *%rax\n"); /* the flags are the third argument, which is in %rdx already */

#else

/* The results are in x0 and x1; "hint #34" is "bti c", where a call may land. */
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
                 "br x16\n"); /* the flags are the second argument, which is in x1 already */

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
