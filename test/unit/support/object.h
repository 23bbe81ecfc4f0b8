/* Makes an ELF object as it lies in memory, in every form that linkers make. Tests then break the object. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_OBJECT_H
#define SOCKMALLOC_TEST_OBJECT_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BASE = 0x10000, /* the address at which the object begins by the object's file */
    CODE_SIZE = 0x1000
};

/* These are the indexes of the symbols in the symbol table. The first symbol is always undefined. */
enum { S_NONE, S_WANTED, S_DATA, S_OUTER, S_INNER, S_ALIAS, S_FIRST, S_SECOND, SYMBOLS };

/* These are the offsets of the functions in the object's code. */
enum { AT_FIRST = 0x40, AT_SECOND = 0x80, AT_OUTER = 0x100, AT_INNER = 0x140, AT_DATA = 0x200 };

/* Holds an ELF object as it lies in memory, beginning with its segments. */
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

/* Returns the address that the object's file gives for a member of struct object. */
#define IN_FILE(member) (BASE + offsetof(struct object, member))

/* Returns what must be added to an address of the file to get the address in the process. */
uintptr_t object_bias(void);

/* Returns the address at this offset of the object's code. */
uintptr_t object_code(size_t offset);

/* Makes the object as glibc leaves it in memory: with the newer kind of hash table (DT_GNU_HASH), and with addresses
 * of the process in the dynamic section. */
void object_make(void);

/* Writes the dynamic section again, with a hash table of the type `hash_tag` at the file's address `hash`. `bias` is
 * added to the addresses. */
void object_make_dynamic(ElfW(Sxword) hash_tag, uintptr_t hash, uintptr_t bias);

#endif
