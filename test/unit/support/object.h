/*
 * Makes an ELF object as it lies in memory after loading, in each form that linkers make. Tests then damage the object.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_OBJECT_H
#define SOCKMALLOC_TEST_OBJECT_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BASE = 0x10000, /* the address that the object's file gives for the start of the object */
    CODE_SIZE = 0x1000
};

/* The indexes of the symbols in the symbol table. Symbol 0 is undefined in every ELF file. */
enum { S_NONE, S_WANTED, S_DATA, S_OUTER, S_INNER, S_ALIAS, S_FIRST, S_SECOND, SYMBOLS };

/* The offsets in the object's code at which the functions begin, and the offset of the data. */
enum { AT_FIRST = 0x40, AT_SECOND = 0x80, AT_OUTER = 0x100, AT_INNER = 0x140, AT_DATA = 0x200 };

/* An ELF object as it lies in memory: it begins with its header and its table of segments. */
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

/* The address that the object's file gives for a member of struct object. */
#define IN_FILE(member) (BASE + offsetof(struct object, member))

/* Returns the difference between an address in the process and the same address in the object's file. */
uintptr_t object_bias(void);

/* Returns the address in the process of the byte at `offset` in the object's code. */
uintptr_t object_code(size_t offset);

/* Makes the object as glibc leaves it in memory: it has the newer kind of hash table (DT_GNU_HASH), and the addresses
 * in its dynamic section are those of the process. */
void object_make(void);

/* Writes the dynamic section anew. It then has a hash table of the type `hash_tag`, at the address `hash` of the file.
 * `bias` is added to all addresses in the section. */
void object_make_dynamic(ElfW(Sxword) hash_tag, uintptr_t hash, uintptr_t bias);

#endif
