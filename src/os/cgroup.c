/* Finds out how much more memory the control group of the process may use, in version 1 or 2 of control groups,
 * and how long processes have lately waited for memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/cgroup.h"

#include <stddef.h>
#include <string.h>

#include "base/bounds.h"
#include "base/text.h"
#include "os/os_file.h"

/*
 * The names of files and lines in one version of control groups. `file_pages` has the beginnings of the lines in
 * memory.stat that count pages of files.
 */
struct cgroup_version {
    /* the beginning of the line in /proc/self/cgroup that names the process's group; the path follows it */
    const char *line;
    const char *mount;
    const char *limit;
    const char *usage;
    const char *file_pages[2];
};

/*
 * Version 1 is tried first, because if its hierarchy has the memory controller, the hierarchy of version 2 does not
 * have it.
 */
static const struct cgroup_version versions[] = {
    {":memory:",
     "/sys/fs/cgroup/memory",
     "memory.limit_in_bytes",
     "memory.usage_in_bytes",
     {"\ntotal_inactive_file ", "\ntotal_active_file "}},
    {"0::", "/sys/fs/cgroup", "memory.max", "memory.current", {"\ninactive_file ", "\nactive_file "}},
};

enum { VERSIONS = sizeof versions / sizeof versions[0], STATISTICS_SIZE = 4096 };

/* Version 1 shows a huge number of bytes where no limit is set. No machine has this much memory. */
static const uint64_t no_limit = UINT64_C(1) << 60;

/* Reads a decimal number at the start of a text. Returns false if there is none. */
static bool cgroup_number(const char *digits, uint64_t *number)
{
    const char *digit = digits;
    for (*number = 0; *digit >= '0' && *digit <= '9'; digit++) {
        *number = *number * 10 + (uint64_t)(*digit - '0');
    }
    return digit > digits;
}

/* Reads a control file of the group at the current level of the hierarchy as a text. The text is "" if the file cannot
 * be read. */
static void cgroup_read(const struct cgroup_search *search, const char *name, char *buffer, size_t size)
{
    char path[2 * CGROUP_PATH_SIZE];
    struct text text = text_begin(path, sizeof path);
    text_add(&text, "%s%s%s/%s", search->root, search->version->mount, search->path, name);
    os_read_file(path, buffer, size);
}

static bool cgroup_read_number(const struct cgroup_search *search, const char *name, uint64_t *number)
{
    char digits[32];
    cgroup_read(search, name, digits, sizeof digits);
    return cgroup_number(digits, number);
}

/* Returns how many bytes of the group's memory are pages of files, which the kernel can reclaim. */
static uint64_t cgroup_file_pages(const struct cgroup_search *search)
{
    char statistics[STATISTICS_SIZE];
    uint64_t sum = 0;
    cgroup_read(search, "memory.stat", statistics, sizeof statistics);
    for (unsigned i = 0; i < 2; i++) {
        const char *name = search->version->file_pages[i];
        const char *line = strstr(statistics, name);
        uint64_t bytes;
        if (line != NULL && cgroup_number(line + strlen(name), &bytes)) {
            sum += bytes;
        }
    }
    return sum;
}

/*
 * Reads limit and usage at the current level of the hierarchy. Returns false if this level has no limit. Finding out
 * how many pages of files the group has takes most of the time, so these pages are counted only if more than half of
 * the limit is used.
 */
static bool cgroup_look_at(const struct cgroup_search *search, struct cgroup_room *room)
{
    uint64_t usage;
    if (!cgroup_read_number(search, search->version->limit, &room->limit) || room->limit >= no_limit ||
        !cgroup_read_number(search, search->version->usage, &usage)) {
        return false;
    }
    if (usage > room->limit / 2) {
        uint64_t file_pages = cgroup_file_pages(search);
        usage = EXCESS(usage, file_pages);
    }
    room->left = EXCESS(room->limit, usage);
    return true;
}

/* Moves the search to the next higher group of the hierarchy. Returns false at the top. */
static bool cgroup_rise(struct cgroup_search *search)
{
    char *slash = strrchr(search->path, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    return true;
}

/* Stores the path of the group: the rest of its line in /proc/self/cgroup, without slashes at the end. */
static void cgroup_set_path(struct cgroup_search *search, const char *path)
{
    size_t length = strcspn(path, "\n");
    length = length < CGROUP_PATH_SIZE ? length : 0;
    memcpy(search->path, path, length);
    while (length > 0 && search->path[length - 1] == '/') {
        length--;
    }
    search->path[length] = '\0';
}

static bool cgroup_find(struct cgroup_search *search)
{
    char path[CGROUP_PATH_SIZE];
    char lines[STATISTICS_SIZE];
    struct text text = text_begin(path, sizeof path);
    text_add(&text, "%s/proc/self/cgroup", search->root);
    os_read_file(path, lines, sizeof lines);
    for (unsigned i = 0; i < VERSIONS; i++) {
        const char *line = strstr(lines, versions[i].line);
        if (line != NULL) {
            search->version = &versions[i];
            cgroup_set_path(search, line + strlen(versions[i].line));
            return true;
        }
    }
    return false;
}

void cgroup_begin(struct cgroup_search *search, const char *root)
{
    search->found = false;
    search->root = root;
    search->version = NULL;
}

/*
 * In a container, /proc/self/cgroup may show the path of the host. The lower levels of that path do not exist in the
 * container, and the container's own group is the top of the mount. So every level is tried, and a level that cannot
 * be read counts as one without a limit.
 */
bool cgroup_step(struct cgroup_search *search)
{
    struct cgroup_room here;
    if (search->version == NULL) {
        return cgroup_find(search);
    }
    if (cgroup_look_at(search, &here) && (!search->found || here.left < search->room.left)) {
        search->room = here;
        search->found = true;
    }
    return cgroup_rise(search);
}

uint32_t cgroup_stall(const char *root)
{
    static const char key[] = "some avg10=";
    char path[CGROUP_PATH_SIZE];
    char line[256];
    uint64_t percent;
    uint64_t hundredths = 0;
    struct text text = text_begin(path, sizeof path);
    text_add(&text, "%s/proc/pressure/memory", root);
    os_read_file(path, line, sizeof line);
    const char *number = strstr(line, key);
    if (number == NULL || !cgroup_number(number + sizeof key - 1, &percent)) {
        return 0;
    }
    const char *point = strchr(number, '.');
    if (point != NULL) {
        cgroup_number(point + 1, &hundredths); /* the kernel prints exactly two digits here */
    }
    return (uint32_t)(percent * 100 + hundredths);
}
