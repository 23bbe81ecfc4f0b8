/* Finds the libraries of the allocators that sockmalloc is compared with. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_peers.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/elf_file.h"

/* The allocators, and the file names of their libraries in Debian, the preferred file name first. */
static const struct {
    const char *name;
    const char *files[3];
} known[] = {
    {"jemalloc", {"libjemalloc.so.2"}},
    {"tcmalloc", {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4"}},
    {"mimalloc", {"libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so.2.0"}},
    {"tbbmalloc", {"libtbbmalloc_proxy.so.2"}},
};

static bool add(struct compare_peers *peers, const char *name, const char *library)
{
    if (peers->count == COMPARE_PEERS_MAX) {
        return false;
    }
    struct compare_peer *peer = &peers->peer[peers->count];
    snprintf(peer->name, sizeof peer->name, "%s", name);
    snprintf(peer->library, sizeof peer->library, "%s", library);
    peers->count++;
    return true;
}

bool compare_peers_add_glibc(struct compare_peers *peers, struct compare_fault *fault)
{
    Dl_info info;
    char path[PATH_MAX];
    if (dladdr((const void *)(size_t)&puts, &info) == 0 || realpath(info.dli_fname, path) == NULL) {
        return compare_fail(fault, EXIT_FAILED, "the C library of this command is not found");
    }
    return add(peers, "glibc", path);
}

/* Returns true if the file is a 64-bit ELF file for this machine. */
static bool is_library(const char *path)
{
    struct elf_file self;
    struct elf_file file;
    return elf_file_read(path, &file) && elf_file_read("/proc/self/exe", &self) && file.is_elf && file.is_64_bit &&
           file.machine == self.machine;
}

static bool find_in(const char *directory, const char *file, char path[PATH_MAX])
{
    char whole[PATH_MAX];
    int length = snprintf(whole, sizeof whole, "%s/%s", directory, file);
    return length < PATH_MAX && realpath(whole, path) != NULL && is_library(path);
}

/* Finds a library in the directories that dlopen searches. */
static bool find(const char *file, char path[PATH_MAX])
{
    union {
        Dl_serinfo list;
        char space[1 << 16];
    } search;
    void *self = dlopen(NULL, RTLD_LAZY);
    bool is_found = false;
    if (self != NULL && dlinfo(self, RTLD_DI_SERINFOSIZE, &search.list) == 0 && search.list.dls_size <= sizeof search &&
        dlinfo(self, RTLD_DI_SERINFO, &search.list) == 0) {
        for (unsigned i = 0; i < search.list.dls_cnt && !is_found; i++) {
            is_found = find_in(search.list.dls_serpath[i].dls_name, file, path);
        }
    }
    if (self != NULL) {
        dlclose(self);
    }
    return is_found || find_in("/usr/local/lib", file, path);
}

void compare_peers_add_installed(struct compare_peers *peers)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        bool is_found = false;
        for (size_t j = 0; j < sizeof known[i].files / sizeof known[i].files[0] && !is_found; j++) {
            is_found = known[i].files[j] != NULL && find(known[i].files[j], path) && add(peers, known[i].name, path);
        }
    }
}

static int index_of(const struct compare_peers *peers, const char *name, size_t length)
{
    for (int i = 0; i < peers->count; i++) {
        if (strlen(peers->peer[i].name) == length && strncmp(peers->peer[i].name, name, length) == 0) {
            return i;
        }
    }
    return -1;
}

static bool is_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr("._-", text[i]) == NULL) {
            return false;
        }
    }
    return length > 0 && length < COMPARE_NAME_SIZE;
}

bool compare_peers_add(struct compare_peers *peers, const char *text, struct compare_fault *fault)
{
    char name[COMPARE_NAME_SIZE] = "";
    char path[PATH_MAX];
    const char *equals = strchr(text, '=');
    size_t length = equals != NULL ? (size_t)(equals - text) : 0;
    if (!is_name(text, length)) {
        return compare_fail(fault, EXIT_USAGE,
                            "--peer=%s: not NAME=LIBRARY with a name of at most %d letters, digits, dots and hyphens",
                            text, COMPARE_NAME_SIZE - 1);
    }
    memcpy(name, text, length);
    if (strcmp(name, "sockmalloc") == 0 || index_of(peers, name, length) >= 0) {
        return compare_fail(fault, EXIT_USAGE, "--peer=%s: the name %s is taken", text, name);
    }
    if (realpath(equals + 1, path) == NULL || !is_library(path) || access(path, R_OK) != 0) {
        return compare_fail(fault, EXIT_USAGE, "--peer=%s: there is no library %s for this machine", text, equals + 1);
    }
    if (strpbrk(path, " :") != NULL) {
        return compare_fail(fault, EXIT_USAGE, "--peer=%s: LD_PRELOAD can't hold a path with blanks or colons", text);
    }
    return add(peers, name, path) || compare_fail(fault, EXIT_USAGE, "there are more than %d peers", COMPARE_PEERS_MAX);
}

/* Returns true if the name is one of the words of the list. */
static bool is_listed(const char *name, const char *list)
{
    for (const char *word = list; *word != '\0';) {
        size_t length = strcspn(word, ",");
        if (strlen(name) == length && strncmp(name, word, length) == 0) {
            return true;
        }
        word += length + (word[length] == ',' ? 1 : 0);
    }
    return false;
}

/* Writes the names of all allocators, with commas between them. */
static void list_names(const struct compare_peers *peers, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < peers->count && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", peers->peer[i].name);
    }
}

bool compare_peers_keep(struct compare_peers *peers, const char *list, struct compare_fault *fault)
{
    char names[COMPARE_PEERS_MAX * (COMPARE_NAME_SIZE + 2)];
    for (const char *word = list; *word != '\0';) {
        size_t length = strcspn(word, ",");
        if (length > 0 && index_of(peers, word, length) < 0) {
            list_names(peers, names, sizeof names);
            return compare_fail(fault, EXIT_USAGE, "--only=%s: %.*s is not installed; there are: %s", list, (int)length,
                                word, names);
        }
        word += length + (word[length] == ',' ? 1 : 0);
    }
    int kept = 0;
    for (int i = 0; i < peers->count; i++) {
        if (is_listed(peers->peer[i].name, list)) {
            peers->peer[kept++] = peers->peer[i];
        }
    }
    peers->count = kept;
    return true;
}
