/* A loaded object as it lies in memory: what range it takes and which functions it exports. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_IMAGE_H
#define SOCKMALLOC_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * The contract. All is read by os_copy: an object that another thread unmaps meanwhile is an error,
 * never a fault, and what is read is believed only within bounds. No lock of the dynamic linker's
 * is taken. Not for sandboxed processes. Any thread, signal handlers too; errno is kept; 1.5 KiB of
 * stack.
 */

/* Addresses are those of the process. */
struct image {
    uintptr_t bias; /* how far from the addresses in its file the object lies */
    uintptr_t start;
    uintptr_t end;
    uintptr_t symbols; /* the dynamic symbol table */
    size_t count;      /* of its entries; 0 where it has none that can be read */
    uintptr_t strings;
    size_t strings_size;
};

struct image_symbol {
    uintptr_t address;
    size_t name; /* for image_name */
};

/*
 * Reads the ELF object whose file's first byte lies at `start`. False if there is none. Price: some
 * 20 system calls, and one for each 64 chains of its hash table.
 */
INTERNAL bool image_read(uintptr_t start, struct image *image);

/*
 * The exported function that an address lies in. Functions that are not exported are unknown, and
 * no other is named in their place. Price: a system call for each 40 symbols of the object.
 */
INTERNAL bool image_find(const struct image *image, uintptr_t address, struct image_symbol *symbol);

/* Copies a symbol's name. A longer one is cut, and then ends in dots. */
INTERNAL bool image_name(const struct image *image, const struct image_symbol *symbol, char *name, size_t size);

#endif
