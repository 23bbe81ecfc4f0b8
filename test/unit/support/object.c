/*
 * Makes an ELF object as it lies in memory after loading, in each form that linkers make. Tests then damage the object.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/object.h"

#include <string.h>

struct object object;

uintptr_t object_code(size_t offset)
{
    return (uintptr_t)object.code + offset;
}

static void make_symbol(unsigned number, unsigned name, unsigned type, size_t at, size_t size)
{
    object.symbols[number] = (ElfW(Sym)){.st_name = name,
                                         .st_info = (unsigned char)ELF64_ST_INFO(STB_GLOBAL, type),
                                         .st_shndx = 1,
                                         .st_value = IN_FILE(code) + at,
                                         .st_size = size};
}

static void make_symbols(void)
{
    static const char strings[] = "\0wanted\0data\0outer\0inner\0alias\0first\0second";
    memcpy(object.strings, strings, sizeof strings);
    make_symbol(S_WANTED, 1, STT_FUNC, AT_SECOND, 0x20);
    /* the object uses this symbol and does not define it */
    object.symbols[S_WANTED].st_shndx = SHN_UNDEF;
    make_symbol(S_DATA, 8, STT_OBJECT, AT_DATA, 0x20);
    make_symbol(S_OUTER, 13, STT_FUNC, AT_OUTER, 0x100);
    make_symbol(S_INNER, 19, STT_FUNC, AT_INNER, 0x10);
    make_symbol(S_ALIAS, 25, STT_FUNC, AT_INNER, 0x10);
    make_symbol(S_FIRST, 31, STT_GNU_IFUNC, AT_FIRST, 0x20);
    make_symbol(S_SECOND, 37, STT_NOTYPE, AT_SECOND, 0x20);
}

/* Writes the two hash tables of the object. The newer one (DT_GNU_HASH) has two chains of symbols; the chain of its
 * first bucket begins at the higher index. */
static void make_hashes(void)
{
    object.hash[0] = 1;
    object.hash[1] = SYMBOLS;
    object.gnu.header[0] = 2;
    object.gnu.header[1] = S_WANTED;
    object.gnu.header[2] = 1;
    object.gnu.buckets[0] = S_OUTER;
    object.gnu.buckets[1] = S_WANTED;
    object.gnu.chains[S_DATA - 1] = 1;
    object.gnu.chains[S_SECOND - 1] = 1;
}

static void make_segments(void)
{
    memcpy(object.header.e_ident, ELFMAG, SELFMAG);
    object.header.e_phoff = offsetof(struct object, segments);
    object.header.e_phentsize = sizeof object.segments[0];
    object.header.e_phnum = 4;
    object.segments[0] = (ElfW(Phdr)){.p_type = PT_NOTE, .p_vaddr = 1};
    object.segments[1] = (ElfW(Phdr)){.p_type = PT_LOAD, .p_vaddr = BASE, .p_memsz = offsetof(struct object, code)};
    object.segments[2] = (ElfW(Phdr)){.p_type = PT_LOAD, .p_vaddr = IN_FILE(code), .p_memsz = CODE_SIZE};
    object.segments[3] = (ElfW(Phdr)){.p_type = PT_DYNAMIC, .p_vaddr = IN_FILE(dynamic)};
}

void object_make_dynamic(ElfW(Sxword) hash_tag, uintptr_t hash, uintptr_t bias)
{
    const ElfW(Dyn) dynamic[] = {
        {.d_tag = DT_NEEDED, .d_un.d_val = 1},
        {.d_tag = hash_tag, .d_un.d_ptr = hash + bias},
        {.d_tag = DT_STRTAB, .d_un.d_ptr = IN_FILE(strings) + bias},
        {.d_tag = DT_STRSZ, .d_un.d_val = sizeof object.strings},
        {.d_tag = DT_SYMTAB, .d_un.d_ptr = IN_FILE(symbols) + bias},
        {.d_tag = DT_NULL},
    };
    memcpy(object.dynamic, dynamic, sizeof dynamic);
}

uintptr_t object_bias(void)
{
    return (uintptr_t)&object - BASE;
}

void object_make(void)
{
    make_symbols();
    make_hashes();
    make_segments();
    object_make_dynamic(DT_GNU_HASH, IN_FILE(gnu), object_bias());
}
