/* An ELF object as it lies in memory, of every kind that linkers make, and to be broken. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_OBJECT_H
#define SOCKMALLOC_TEST_OBJECT_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BASE = 0x10000, /* where the object's file says that it lies */
    CODE_SIZE = 0x1000
};

/* The symbols, in the order of the table. The first is always undefined. */
enum { S_NONE, S_WANTED, S_DATA, S_OUTER, S_INNER, S_ALIAS, S_FIRST, S_SECOND, SYMBOLS };

/* Where the functions lie in the code. */
enum { AT_FIRST = 0x40, AT_SECOND = 0x80, AT_OUTER = 0x100, AT_INNER = 0x140, AT_DATA = 0x200 };

/* One object as it lies in memory, its segments first. */
struct object {
    ElfW(Ehdr) header;
    ElfW(Phdr) segments[4];
    ElfW(Dyn) dynamic[6];
    uint32_t hash[2 + 1 + SYMBOLS];
    struct {
        uint32_t header[4];
        ElfW(Addr) filter[1];
        uint32_t buckets[2];
        uint32_t chains[SYMBOLS - 1];
    } gnu;
    ElfW(Sym) symbols[SYMBOLS];
    char strings[128];
    char code[CODE_SIZE];
};

extern struct object object;

/* Where a member lies as the object's file has it. */
#define IN_FILE(member) (BASE + offsetof(struct object, member))

/* What is to be added to an address of the file's to have the process's. */
uintptr_t object_bias(void);

/* An address in the object's code. */
uintptr_t object_code(size_t offset);

/*
 * Makes it as glibc leaves one behind: with a hash table of the newer kind, and addresses of the
 * process in the dynamic section.
 */
void object_make(void);

/* The dynamic section anew: with the hash table of that tag, which lies at `hash` in the file, and
 * with addresses that are off by `bias`. */
void object_make_dynamic(ElfW(Sxword) hash_tag, uintptr_t hash, uintptr_t bias);

#endif
