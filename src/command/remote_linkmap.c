/* Finds out which of the objects (program and libraries) that a process has loaded serves the calls of malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_linkmap.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/bounds.h"
#include "os/os.h"

/*
 * Limits that are higher than the numbers in any real process. They end loops over memory that is damaged, or whose
 * pointers lead in a circle.
 */
enum { OBJECTS_MAX = 4096, DYNAMIC_MAX = 256, SYMBOLS_MAX = 4096, IMPORTS_MAX = 1 << 17 };

/* The number of symbols that are read with one system call. */
enum { SYMBOLS_BATCH = 64 };

/*
 * Addresses of the tables by which a symbol is found, and the address `debug` of struct r_debug, which points to the
 * dynamic linker's list of objects. They are addresses in the other process, and were read from the dynamic section of
 * an object. An address that the section does not have is 0.
 */
struct symbols {
    uintptr_t hash; /* address of the hash table in GNU's format */
    uintptr_t table;
    uintptr_t names;
    uintptr_t debug;
};

static bool remote_linkmap_read(const struct remote_process *target, void *to, uintptr_t from, size_t size)
{
    return remote_process_copy(target, to, (const void *)from, size) == REMOTE_READ;
}

/*
 * Reads a string from the other process page by page, because the string may end right before a page that cannot be
 * read.
 */
static void remote_linkmap_read_text(const struct remote_process *target, uintptr_t from, char *text, size_t size)
{
    size_t length = 0;
    while (length + 1 < size) {
        size_t room = size - 1 - length;
        size_t page = os_page_size() - (from + length) % os_page_size();
        size_t part = LESSER(room, page);
        if (!remote_linkmap_read(target, text + length, from + length, part)) {
            break;
        }
        size_t found = strnlen(text + length, part);
        length += found;
        if (found < part) {
            break;
        }
    }
    text[length] = '\0';
}

static bool remote_linkmap_read_dynamic(const struct remote_process *target, uintptr_t dynamic, struct symbols *symbols)
{
    ElfW(Dyn) entry = {.d_tag = DT_NULL};
    *symbols = (struct symbols){0};
    for (unsigned i = 0; i < DYNAMIC_MAX; i++) {
        if (!remote_linkmap_read(target, &entry, dynamic + i * sizeof entry, sizeof entry) || entry.d_tag == DT_NULL) {
            break;
        }
        uintptr_t value = entry.d_un.d_ptr;
        symbols->hash = entry.d_tag == DT_GNU_HASH ? value : symbols->hash;
        symbols->table = entry.d_tag == DT_SYMTAB ? value : symbols->table;
        symbols->names = entry.d_tag == DT_STRTAB ? value : symbols->names;
        symbols->debug = entry.d_tag == DT_DEBUG ? value : symbols->debug;
    }
    return entry.d_tag == DT_NULL;
}

enum { NAME_SIZE = 32 };

/*
 * Returns true if the symbol with this number has the name `name` and is defined. If so, stores the symbol's offset
 * within the object in *value.
 */
static bool remote_linkmap_is_named(const struct remote_process *target, const struct symbols *symbols, uint32_t number,
                                    const char *name, uintptr_t *value)
{
    ElfW(Sym) symbol;
    char found[NAME_SIZE];
    size_t size = strlen(name) + 1;
    *value = 0;
    if (!remote_linkmap_read(target, &symbol, symbols->table + number * sizeof symbol, sizeof symbol) ||
        symbol.st_shndx == SHN_UNDEF || !remote_linkmap_read(target, found, symbols->names + symbol.st_name, size)) {
        return false;
    }
    *value = symbol.st_value;
    return memcmp(found, name, size) == 0;
}

static uint32_t remote_linkmap_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name != '\0'; name++) {
        hash = hash * 33 + (unsigned char)*name;
    }
    return hash;
}

/*
 * Returns true if an object exports the symbol `name`, and then stores the symbol's offset within the object in *value.
 * Searches the hash table in GNU's format. The table has four parts: head, words of a Bloom filter (not used here),
 * buckets, and chains. head[0] is the number of buckets, head[1] is the number of the first symbol in the table, and
 * head[2] is the number of filter words.
 */
static bool remote_linkmap_exports(const struct remote_process *target, const struct symbols *symbols, const char *name,
                                   uintptr_t *value)
{
    uint32_t head[4];
    uint32_t number;
    uint32_t hash = remote_linkmap_hash(name);
    if (symbols->hash == 0 || !remote_linkmap_read(target, head, symbols->hash, sizeof head) || head[0] == 0) {
        return false;
    }
    uintptr_t buckets = symbols->hash + sizeof head + head[2] * sizeof(ElfW(Addr));
    uintptr_t chains = buckets + head[0] * sizeof number;
    if (!remote_linkmap_read(target, &number, buckets + hash % head[0] * sizeof number, sizeof number) ||
        number < head[1]) {
        return false;
    }
    for (unsigned i = 0; i < SYMBOLS_MAX; i++, number++) {
        uint32_t found;
        if (!remote_linkmap_read(target, &found, chains + (number - head[1]) * sizeof found, sizeof found)) {
            return false;
        }
        if ((found | 1) == (hash | 1) && remote_linkmap_is_named(target, symbols, number, name, value)) {
            return true;
        }
        if ((found & 1) != 0) {
            return false; /* this symbol was the last of its chain */
        }
    }
    return false;
}

/*
 * Returns a value of the auxiliary vector, which the kernel passes to a program, or 0 if the vector has no such value.
 */
static uintptr_t remote_linkmap_auxiliary(const struct remote_process *target, uint64_t type)
{
    char path[32];
    ElfW(auxv_t) entry;
    uintptr_t value = 0;
    snprintf(path, sizeof path, "/proc/%d/auxv", target->process);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    while (file >= 0 && value == 0 && read(file, &entry, sizeof entry) == (ssize_t)sizeof entry &&
           entry.a_type != AT_NULL) {
        value = entry.a_type == type ? entry.a_un.a_val : 0;
    }
    if (file >= 0) {
        close(file);
    }
    return value;
}

/*
 * Returns the address of the program's dynamic section in the process, or 0. This is the section's address in the file
 * plus the distance by which the program was moved when it was loaded. The address in the file and the distance are
 * both computed from the program headers.
 */
static uintptr_t remote_linkmap_dynamic_of_program(const struct remote_process *target)
{
    uintptr_t headers = remote_linkmap_auxiliary(target, AT_PHDR);
    uintptr_t count = remote_linkmap_auxiliary(target, AT_PHNUM);
    uintptr_t bias = 0;
    uintptr_t dynamic = 0;
    for (uintptr_t i = 0; i < count && i < DYNAMIC_MAX; i++) {
        ElfW(Phdr) header;
        if (!remote_linkmap_read(target, &header, headers + i * sizeof header, sizeof header)) {
            return 0;
        }
        bias = header.p_type == PT_PHDR ? headers - header.p_vaddr : bias;
        dynamic = header.p_type == PT_DYNAMIC ? header.p_vaddr : dynamic;
    }
    return dynamic != 0 ? bias + dynamic : 0;
}

/*
 * Returns the address of the first entry of the dynamic linker's list of objects, or 0. The linker searches the objects
 * for names in the order of this list.
 */
static uintptr_t remote_linkmap_first(const struct remote_process *target)
{
    struct symbols program;
    struct r_debug debug;
    uintptr_t dynamic = remote_linkmap_dynamic_of_program(target);
    bool known = dynamic != 0 && remote_linkmap_read_dynamic(target, dynamic, &program) && program.debug != 0 &&
                 remote_linkmap_read(target, &debug, program.debug, sizeof debug);
    return known ? (uintptr_t)debug.r_map : 0;
}

static bool remote_linkmap_has_view(const struct remote_process *target, const struct symbols *symbols, uintptr_t bias)
{
    uintptr_t value;
    return remote_linkmap_exports(target, symbols, "sockmalloc_view", &value) &&
           bias + value == (uintptr_t)target->address;
}

/* A position in a walk over the dynamic linker's list of objects. */
struct walk {
    uintptr_t next;
    /* how many more objects the walk may visit, because a damaged list may lead in a circle */
    unsigned left;
    struct link_map object;
    /* addresses of the tables by which a symbol of `object` is found; all 0 if its dynamic section cannot be read */
    struct symbols symbols;
};

static struct walk remote_linkmap_walk(uintptr_t first)
{
    return (struct walk){.next = first, .left = OBJECTS_MAX};
}

static bool remote_linkmap_step(const struct remote_process *target, struct walk *walk)
{
    if (walk->next == 0 || walk->left == 0 ||
        !remote_linkmap_read(target, &walk->object, walk->next, sizeof walk->object)) {
        return false;
    }
    walk->left--;
    walk->next = (uintptr_t)walk->object.l_next;
    if (!remote_linkmap_read_dynamic(target, (uintptr_t)walk->object.l_ld, &walk->symbols)) {
        walk->symbols = (struct symbols){0};
    }
    return true;
}

/* Moves `walk` on to the next object that exports the symbol `name`. Returns false if there is none. */
static bool remote_linkmap_step_to(const struct remote_process *target, struct walk *walk, const char *name)
{
    uintptr_t value;
    while (remote_linkmap_step(target, walk)) {
        if (remote_linkmap_exports(target, &walk->symbols, name, &value)) {
            return true;
        }
    }
    return false;
}

static void remote_linkmap_read_path(const struct remote_process *target, const struct walk *walk,
                                     char path[REMOTE_PATH_SIZE])
{
    remote_linkmap_read_text(target, (uintptr_t)walk->object.l_name, path, REMOTE_PATH_SIZE);
}

/*
 * Functions of other allocators that have names of their own, unlike malloc. If a program calls such a function, the
 * library does not serve the call.
 */
static const char *const foreign[] = {"mallocx", "rallocx", "mi_malloc", "tc_malloc", "scalable_malloc"};

enum { FOREIGN = sizeof foreign / sizeof foreign[0] };

/*
 * Returns the name in `foreign` that the symbol has. Returns NULL if the symbol has none of these names, or if the
 * object itself defines the symbol.
 */
static const char *remote_linkmap_foreign(const struct remote_process *target, const struct symbols *symbols,
                                          const ElfW(Sym) * symbol)
{
    char name[REMOTE_LINKMAP_FUNCTION_SIZE];
    if (symbol->st_shndx != SHN_UNDEF || symbol->st_name == 0) {
        return NULL;
    }
    remote_linkmap_read_text(target, symbols->names + symbol->st_name, name, sizeof name);
    for (unsigned i = 0; i < FOREIGN; i++) {
        if (strcmp(name, foreign[i]) == 0) {
            return foreign[i];
        }
    }
    return NULL;
}

/*
 * Returns the first name of `foreign` that an object needs from another object, or NULL. In a symbol table with a hash
 * table in GNU's format, the symbols from other objects come before the first symbol of the hash table.
 */
static const char *remote_linkmap_calls(const struct remote_process *target, const struct symbols *symbols)
{
    uint32_t head[4];
    const char *found = NULL;
    ElfW(Sym) batch[SYMBOLS_BATCH];
    if (symbols->hash == 0 || !remote_linkmap_read(target, head, symbols->hash, sizeof head)) {
        return NULL;
    }
    uint32_t end = LESSER(head[1], IMPORTS_MAX);
    for (uint32_t at = 0; found == NULL && at < end; at += SYMBOLS_BATCH) {
        uint32_t count = LESSER(end - at, SYMBOLS_BATCH);
        if (!remote_linkmap_read(target, batch, symbols->table + at * sizeof batch[0], count * sizeof batch[0])) {
            return NULL;
        }
        for (uint32_t i = 0; found == NULL && i < count; i++) {
            found = remote_linkmap_foreign(target, symbols, &batch[i]);
        }
    }
    return found;
}

/*
 * Finds an object that calls another allocator by that allocator's own function names, such as mi_malloc or mallocx.
 * The library itself is skipped, because it calls mimalloc for requests that fall through.
 */
static void remote_linkmap_find_foreign(const struct remote_process *target, uintptr_t first,
                                        struct remote_linkmap *found)
{
    struct walk walk = remote_linkmap_walk(first);
    while (found->function[0] == '\0' && remote_linkmap_step(target, &walk)) {
        struct walk server = remote_linkmap_walk(first);
        bool is_ours = remote_linkmap_has_view(target, &walk.symbols, walk.object.l_addr);
        const char *name = is_ours ? NULL : remote_linkmap_calls(target, &walk.symbols);
        if (name != NULL && remote_linkmap_step_to(target, &server, name)) {
            strcpy(found->function, name);
            remote_linkmap_read_path(target, &walk, found->caller);
            remote_linkmap_read_path(target, &server, found->server);
        }
    }
}

static void remote_linkmap_read_preload(const struct remote_process *target, char *value, size_t size)
{
    char path[32];
    char *variable = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", target->process);
    FILE *file = fopen(path, "re");
    while (file != NULL && getdelim(&variable, &room, '\0', file) > 0) {
        if (strncmp(variable, "LD_PRELOAD=", strlen("LD_PRELOAD=")) == 0) {
            snprintf(value, size, "%s", variable + strlen("LD_PRELOAD="));
        }
    }
    free(variable);
    if (file != NULL) {
        fclose(file);
    }
}

void remote_linkmap_find(const struct remote_process *target, struct remote_linkmap *found)
{
    *found = (struct remote_linkmap){.known = false};
    uintptr_t first = remote_linkmap_first(target);
    struct walk walk = remote_linkmap_walk(first);
    found->known = remote_linkmap_step_to(target, &walk, "malloc");
    if (found->known) {
        remote_linkmap_read_path(target, &walk, found->path);
        found->has_view = remote_linkmap_has_view(target, &walk.symbols, walk.object.l_addr);
        remote_linkmap_find_foreign(target, first, found);
    }
    remote_linkmap_read_preload(target, found->preload, sizeof found->preload);
}
