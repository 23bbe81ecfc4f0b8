/* Reads an executable or a shared library as it lies in memory: its address range and its exported functions. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_IMAGE_H
#define SOCKMALLOC_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * All memory is read by os_copy, so if another thread unmaps the object meanwhile, a function fails and does not crash.
 * Numbers that were read are checked before they are used. The functions do not take the lock of the dynamic linker.
 * Any thread and any signal handler may call them, but not in a process behind a seccomp filter. They keep errno and
 * use about 1.5 KiB of stack.
 */

/* An ELF object in memory. All addresses below are addresses in the process. */
struct image {
    /* the address of a byte in the process, minus the byte's address in the object's file */
    uintptr_t bias;
    uintptr_t start;
    uintptr_t end;
    uintptr_t symbols; /* address of the dynamic symbol table */
    size_t count;      /* number of entries of the symbol table; 0 if it cannot be read */
    uintptr_t strings;
    size_t strings_size;
};

struct image_symbol {
    uintptr_t address;
    size_t name; /* where the symbol's name begins in the object's table of strings; image_name uses it */
};

/*
 * Reads the ELF object whose file is mapped from `start` on. Returns false if there is no ELF object. Price: about 20
 * system calls, and one for every 64 chains of its hash table.
 */
INTERNAL bool image_read(uintptr_t start, struct image *image);

/*
 * Finds the exported function that contains an address. Returns false if there is none. If the address lies in a
 * function that is not exported, returns false, and does not name a neighbouring function. Price: a system call for
 * every 40 symbols of the object.
 */
INTERNAL bool image_find(const struct image *image, uintptr_t address, struct image_symbol *symbol);

/*
 * Copies the name of a symbol. A name that does not fit into `size` bytes is cut and ends in dots. Returns false if the
 * name cannot be read or is empty.
 */
INTERNAL bool image_name(const struct image *image, const struct image_symbol *symbol, char *name, size_t size);

#endif
