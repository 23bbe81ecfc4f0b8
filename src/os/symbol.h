/* Names the function in which an address lies, without a call of the dynamic linker, because another thread may hold
 * the linker's lock. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SYMBOL_H
#define SOCKMALLOC_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"
#include "os/image.h"
#include "os/mapping.h"

/*
 * Signal handlers may call these functions, which take no lock and allocate nothing. dladdr would take the lock of the
 * dynamic linker, which the interrupted thread may hold. The functions below use 2 KiB of stack and keep errno. If
 * threads load and unload libraries meanwhile, a name may be wrong or missing, and nothing worse happens. In a process
 * with a seccomp filter no system call is made, because the filter might end the process, and addresses are printed as
 * numbers.
 *
 * Price in system calls: the first address in each library costs a pass over /proc/self/maps and about 20 reads. Every
 * address costs a read for every 40 symbols of its library: 0.1 ms for the 3,000 symbols of libc.
 */

enum { SYMBOL_OBJECTS = 8, SYMBOL_NAME_SIZE = 256 };

/*
 * The objects (programs and libraries) in which addresses were found before. They are stored so that /proc/self/maps is
 * read once for each object. The caller owns the structure, and only one thread at a time may use it.
 */
struct symbol_finder {
    bool blind; /* true if the process has a seccomp filter, so that the finder may make no system call */
    unsigned next;
    struct symbol_object {
        struct image image;
        char name[MAPPING_NAME_SIZE];
    } object[SYMBOL_OBJECTS];
    char name[SYMBOL_NAME_SIZE];
};

/* Empties a finder, and checks if the process has a seccomp filter. */
INTERNAL void symbol_begin(struct symbol_finder *finder);

/*
 * Appends to `text` the place of the code that made a call, by the call's return address; the call instruction lies
 * just before that address. The form is `object(function+0x12)`. If no exported function is known, the form is
 * `object+0x1234`, with a number that addr2line accepts for the object's file. If no object is known, the form is
 * `0x7f...`. Names of C++ functions stay mangled.
 */
INTERNAL void symbol_print(struct symbol_finder *finder, const void *address, struct text *text);

#endif
