/* Reads an executable or a shared library as it lies in memory: its address range and its exported functions. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/image.h"

#include <link.h>
#include <string.h>

#include "base/bounds.h"
#include "os/os.h"

/*
 * WORDS_A_CALL and SYMBOLS_A_CALL are how many items one system call reads; they are few, so that little stack is used.
 * The other values are limits that no real object reaches; they bound the work for a damaged object.
 */
enum { WORDS_A_CALL = 64, SYMBOLS_A_CALL = 40, SEGMENTS_LIMIT = 64, DYNAMIC_LIMIT = 512, SYMBOLS_LIMIT = 1 << 24 };

/*
 * The values of those entries of the dynamic section that this file uses, as they stand in the section. image_pointer
 * turns the pointers among them into addresses in the process.
 */
struct dynamic {
    uintptr_t symbols;
    uintptr_t strings;
    size_t strings_size;
    uintptr_t hash;
    uintptr_t gnu_hash;
};

static bool image_read_at(void *target, uintptr_t address, size_t size)
{
    return os_copy(target, (const void *)address, size);
}

/*
 * Adds a loaded segment to the address range of the object. The first loaded segment contains the start of the file,
 * and therefore the program headers, too.
 */
static void image_add_segment(struct image *image, const ElfW(Phdr) * segment, uintptr_t start)
{
    uintptr_t end = segment->p_vaddr + segment->p_memsz;
    if (image->end == 0) {
        image->bias = start - (segment->p_vaddr - segment->p_offset);
        image->start = start;
    }
    image->end = image->bias + end;
}

/* Reads all program headers. Returns the address of the dynamic section, or 0. */
static uintptr_t image_walk_segments(struct image *image, const ElfW(Ehdr) * header, uintptr_t start)
{
    uintptr_t dynamic = 0;
    unsigned count = LESSER(header->e_phnum, SEGMENTS_LIMIT);
    for (unsigned i = 0; i < count; i++) {
        ElfW(Phdr) segment;
        if (!image_read_at(&segment, start + header->e_phoff + i * sizeof segment, sizeof segment)) {
            return 0;
        }
        if (segment.p_type == PT_LOAD) {
            image_add_segment(image, &segment, start);
        } else if (segment.p_type == PT_DYNAMIC) {
            dynamic = segment.p_vaddr;
        }
    }
    return dynamic != 0 ? image->bias + dynamic : 0;
}

static void dynamic_note(struct dynamic *dynamic, const ElfW(Dyn) * entry)
{
    switch (entry->d_tag) {
    case DT_SYMTAB:
        dynamic->symbols = entry->d_un.d_ptr;
        break;
    case DT_STRTAB:
        dynamic->strings = entry->d_un.d_ptr;
        break;
    case DT_STRSZ:
        dynamic->strings_size = entry->d_un.d_val;
        break;
    case DT_HASH:
        dynamic->hash = entry->d_un.d_ptr;
        break;
    case DT_GNU_HASH:
        dynamic->gnu_hash = entry->d_un.d_ptr;
        break;
    default:
        break;
    }
}

static bool dynamic_read(struct dynamic *dynamic, uintptr_t address)
{
    for (unsigned i = 0; i < DYNAMIC_LIMIT; i++) {
        ElfW(Dyn) entry;
        if (!image_read_at(&entry, address + i * sizeof entry, sizeof entry)) {
            return false;
        }
        if (entry.d_tag == DT_NULL) {
            return dynamic->symbols != 0 && dynamic->strings != 0;
        }
        dynamic_note(dynamic, &entry);
    }
    return false;
}

/*
 * Returns the address in the process to which a pointer in the dynamic section refers. glibc has replaced such pointers
 * by addresses of the process; musl leaves the addresses of the file.
 */
static uintptr_t image_pointer(const struct image *image, uintptr_t pointer)
{
    return pointer - image->start < image->end - image->start ? pointer : image->bias + pointer;
}

/* Returns the number of symbols, which is the second word of the table of DT_HASH. */
static size_t hash_count(uintptr_t table)
{
    uint32_t header[2];
    return image_read_at(header, table, sizeof header) ? header[1] : 0;
}

/* Returns the highest symbol number at which a chain of the hash table begins. */
static uint32_t gnu_hash_last_chain(uintptr_t buckets, uint32_t count)
{
    uint32_t last = 0;
    uint32_t words[WORDS_A_CALL];
    for (uint32_t first = 0; first < count; first += WORDS_A_CALL) {
        uint32_t part = LESSER(count - first, WORDS_A_CALL);
        if (!image_read_at(words, buckets + first * sizeof words[0], part * sizeof words[0])) {
            return 0;
        }
        for (uint32_t i = 0; i < part; i++) {
            last = GREATER(words[i], last);
        }
    }
    return last;
}

/*
 * Returns the number of symbols, computed from the table of DT_GNU_HASH, which does not contain that number. The last
 * symbol is at the end of the chain that begins at the highest symbol number. The last word of a chain is odd.
 */
static size_t gnu_hash_count(uintptr_t table)
{
    /*
     * the number of buckets, the first symbol in the table, the number of words of the Bloom filter, and the filter's
     * shift
     */
    uint32_t header[4];
    if (!image_read_at(header, table, sizeof header) || header[0] > SYMBOLS_LIMIT) {
        return 0;
    }
    uintptr_t buckets = table + sizeof header + header[2] * sizeof(ElfW(Addr));
    uintptr_t chains = buckets + header[0] * sizeof(uint32_t);
    uint32_t last = gnu_hash_last_chain(buckets, header[0]);
    for (; last >= header[1] && last < SYMBOLS_LIMIT; last++) {
        uint32_t word;
        if (!image_read_at(&word, chains + (last - header[1]) * sizeof word, sizeof word)) {
            return 0;
        }
        if ((word & 1) != 0) {
            return last + 1;
        }
    }
    return 0;
}

static void image_find_symbols(struct image *image, const struct dynamic *dynamic)
{
    size_t count = dynamic->gnu_hash != 0 ? gnu_hash_count(image_pointer(image, dynamic->gnu_hash))
                   : dynamic->hash != 0   ? hash_count(image_pointer(image, dynamic->hash))
                                          : 0;
    image->symbols = image_pointer(image, dynamic->symbols);
    image->strings = image_pointer(image, dynamic->strings);
    image->strings_size = dynamic->strings_size;
    image->count = count < SYMBOLS_LIMIT ? count : 0;
}

bool image_read(uintptr_t start, struct image *image)
{
    ElfW(Ehdr) header;
    struct dynamic dynamic = {0};
    *image = (struct image){0};
    if (!image_read_at(&header, start, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_phentsize != sizeof(ElfW(Phdr))) {
        return false;
    }
    uintptr_t section = image_walk_segments(image, &header, start);
    if (section != 0 && dynamic_read(&dynamic, section)) {
        image_find_symbols(image, &dynamic);
    }
    return image->end > image->start;
}

static bool symbol_is_function(const ElfW(Sym) * symbol)
{
    unsigned type = symbol->st_info & 0xf;
    return symbol->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_NOTYPE || type == STT_GNU_IFUNC);
}

/*
 * Returns true if a symbol is a function that contains the address `wanted` and fits better than the function that
 * begins at `best`. If functions overlap, the one that begins last fits best. If a function has several names, the
 * first name is used.
 */
static bool symbol_is_better(const ElfW(Sym) * symbol, uintptr_t wanted, uintptr_t best)
{
    return symbol_is_function(symbol) && wanted - symbol->st_value < symbol->st_size && symbol->st_value > best;
}

bool image_find(const struct image *image, uintptr_t address, struct image_symbol *symbol)
{
    uintptr_t wanted = address - image->bias;
    uintptr_t best = 0;
    ElfW(Sym) symbols[SYMBOLS_A_CALL];
    for (size_t first = 0; first < image->count; first += SYMBOLS_A_CALL) {
        size_t part = LESSER(image->count - first, SYMBOLS_A_CALL);
        if (!image_read_at(symbols, image->symbols + first * sizeof symbols[0], part * sizeof symbols[0])) {
            return false;
        }
        for (size_t i = 0; i < part; i++) {
            if (symbol_is_better(&symbols[i], wanted, best)) {
                best = symbols[i].st_value;
                symbol->name = symbols[i].st_name;
            }
        }
    }
    symbol->address = image->bias + best;
    return best != 0;
}

bool image_name(const struct image *image, const struct image_symbol *symbol, char *name, size_t size)
{
    static const char dots[] = "...";
    size_t left = symbol->name < image->strings_size ? image->strings_size - symbol->name : 0;
    size_t length = LESSER(left, size);
    if (length == 0 || !image_read_at(name, image->strings + symbol->name, length)) {
        return false;
    }
    if (memchr(name, '\0', length) == NULL) {
        if (length < size) {
            return false; /* the table of strings ends within this name, so the object is damaged */
        }
        memcpy(name + size - sizeof dots, dots, sizeof dots);
    }
    return name[0] != '\0';
}
