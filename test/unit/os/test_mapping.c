/* Tests of os/mapping.c, which finds the file that is mapped at an address. The results are compared with those of the
 * dynamic linker. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/mapping.h"
#include "os/os.h"
#include "support/capture.h"
#include "support/crew.h"

enum { PAGES = 4, UNUSUAL = 4242 /* an errno that no call sets */ };

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void expect_at(uintptr_t address, uintptr_t start, const char *name)
{
    struct mapping mapping;
    cr_assert(mapping_find(address, &mapping), "nothing at %lx of %s", address, name);
    cr_assert_eq(mapping.start, start, "%lx of %s begins at %lx, not %lx", address, name, mapping.start, start);
    cr_assert_eq(strncmp(mapping.name, name, MAPPING_NAME_SIZE - 1), 0, "%s is called %s", name, mapping.name);
}

static void expect_nothing_at(uintptr_t address)
{
    struct mapping mapping;
    cr_assert_not(mapping_find(address, &mapping), "%s at %lx", mapping.name, address);
}

/* Checks each loaded segment of one object. At the segment's addresses mapping_find must find the object's own file,
 * beginning at the address of the first segment. */
static int expect_object(struct dl_phdr_info *object, size_t size, void *seen)
{
    (void)size;
    uintptr_t start = 0;
    if (strchr(object->dlpi_name, '/') == NULL) {
        return 0; /* the program has an empty name here, and the kernel's object vdso has no file */
    }
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t first = object->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD) {
            char path[PATH_MAX];
            cr_assert_not_null(realpath(object->dlpi_name, path));
            start = start != 0 ? start : first;
            expect_at(first, start, last_part(path));
            expect_at(first + segment->p_filesz - 1, start, last_part(path));
            ++*(unsigned *)seen;
        }
    }
    return 0;
}

Test(mapping, finds_every_segment_of_every_object)
{
    unsigned seen = 0;
    dl_iterate_phdr(expect_object, &seen);
    cr_assert_gt(seen, 8);
}

static void anywhere(void)
{
}

Test(mapping, finds_the_program)
{
    char path[PATH_MAX];
    struct mapping mapping;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    cr_assert_gt(length, 0);
    path[length] = '\0';
    errno = UNUSUAL;
    cr_assert(mapping_find((uintptr_t)anywhere, &mapping));
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_str_eq(mapping.name, last_part(path));
    cr_assert_eq(memcmp((const void *)mapping.start, ELFMAG, SELFMAG), 0);
}

Test(mapping, memory_without_a_file_has_no_name)
{
    size_t page = os_page_size();
    char *start = os_map(PAGES * page);
    expect_nothing_at((uintptr_t)start);
    cr_assert_not_null(start);
    expect_nothing_at((uintptr_t)start + page);
    int local = 0;
    expect_nothing_at((uintptr_t)&local); /* the kernel calls this mapping "[stack]", which is not the name of a file */
    os_release(start, PAGES * page);
    errno = UNUSUAL;
    expect_nothing_at((uintptr_t)start);
    expect_nothing_at(0);
    expect_nothing_at(UINTPTR_MAX);
    cr_assert_eq(errno, UNUSUAL);
}

/* Makes a new directory, and a file of PAGES pages with the name `name` in it. Returns the open file. */
static int make_file(char *directory, const char *name)
{
    char path[PATH_MAX];
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    cr_assert(file >= 0 && ftruncate(file, (off_t)(PAGES * os_page_size())) == 0);
    return file;
}

static void remove_file(const char *directory, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(rmdir(directory), 0);
}

/* Maps `count` pages of the file, from its page `first` on, at the address `at`. */
static void map_pages(char *at, size_t count, int file, size_t first, int protection)
{
    size_t page = os_page_size();
    void *got = mmap(at, count * page, protection, MAP_PRIVATE | MAP_FIXED, file, (off_t)(first * page));
    cr_assert_eq(got, at);
}

/* Maps one file twice, each time in segments with different access rights, as the dynamic linker does. The second copy
 * begins where the first one ends, and must not count as a part of the first. */
Test(mapping, tells_two_copies_of_a_file_apart)
{
    char directory[] = "/tmp/sockmalloc-unit-XXXXXX";
    size_t page = os_page_size();
    int file = make_file(directory, "twice");
    char *start = os_map(3 * PAGES * page);
    for (char *copy = start; copy <= start + PAGES * page; copy += PAGES * page) {
        map_pages(copy, 1, file, 0, PROT_READ);
        map_pages(copy + page, 2, file, 1, PROT_READ | PROT_EXEC);
        map_pages(copy + 3 * page, 1, file, 3, PROT_READ | PROT_WRITE);
    }
    for (size_t i = 0; i < PAGES; i++) {
        uintptr_t second = (uintptr_t)start + PAGES * page;
        expect_at((uintptr_t)start + i * page, (uintptr_t)start, "twice");
        expect_at(second + i * page, second, "twice");
    }
    expect_nothing_at((uintptr_t)start + 2 * PAGES * page);
    remove_file(directory, "twice");
    close(file);
}

Test(mapping, knows_where_a_file_would_begin)
{
    char directory[] = "/tmp/sockmalloc-unit-XXXXXX";
    size_t page = os_page_size();
    int file = make_file(directory, "a part");
    char *start = os_map(PAGES * page);
    map_pages(start + 2 * page, 1, file, 2, PROT_READ);
    expect_at((uintptr_t)start + 3 * page - 1, (uintptr_t)start, "a part");
    remove_file(directory, "a part");
    expect_at((uintptr_t)start + 2 * page, (uintptr_t)start, "a part (deleted)");
    close(file);
}

/* Maps a second file where a further segment of the first file could be. The second must not count as a part of the
 * first. */
Test(mapping, tells_files_that_lie_side_by_side_apart)
{
    char directories[2][32] = {"/tmp/sockmalloc-unit-XXXXXX", "/tmp/sockmalloc-unit-XXXXXX"};
    size_t page = os_page_size();
    int first = make_file(directories[0], "first");
    int second = make_file(directories[1], "second");
    char *start = os_map(3 * page);
    map_pages(start, 1, first, 0, PROT_READ);
    map_pages(start + page, 1, second, 0, PROT_READ);
    map_pages(start + 2 * page, 1, first, 2, PROT_READ);
    expect_at((uintptr_t)start, (uintptr_t)start, "first");
    expect_at((uintptr_t)start + page, (uintptr_t)start + page, "second");
    expect_at((uintptr_t)start + 2 * page, (uintptr_t)start, "first");
    remove_file(directories[0], "first");
    remove_file(directories[1], "second");
    close(first);
    close(second);
}

Test(mapping, long_names_are_cut)
{
    char directory[] = "/tmp/sockmalloc-unit-XXXXXX";
    char name[200];
    struct mapping mapping;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    int file = make_file(directory, name);
    char *start = os_map(os_page_size());
    map_pages(start, 1, file, 0, PROT_READ);
    cr_assert(mapping_find((uintptr_t)start, &mapping));
    cr_assert_eq(strlen(mapping.name), MAPPING_NAME_SIZE - 1);
    cr_assert_eq(strncmp(mapping.name, name, MAPPING_NAME_SIZE - 1), 0);
    remove_file(directory, name);
    close(file);
}

static int lowest_descriptor(void)
{
    int lowest = dup(STDERR_FILENO);
    close(lowest);
    return lowest;
}

Test(mapping, leaves_no_descriptor_open)
{
    struct mapping mapping;
    int before = lowest_descriptor();
    cr_assert(mapping_find((uintptr_t)anywhere, &mapping));
    cr_assert_not(mapping_find(0, &mapping));
    cr_assert_eq(lowest_descriptor(), before);
}

static void find_without_descriptors(void *argument)
{
    struct mapping mapping;
    (void)argument;
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, 0}) == 0);
    errno = UNUSUAL;
    CHECK(!mapping_find((uintptr_t)anywhere, &mapping));
    CHECK(errno == UNUSUAL);
}

Test(mapping, finds_nothing_without_permission)
{
    capture_clean(find_without_descriptors, NULL);
}
