/* Reads how much memory of another process is resident, and how much of the resident memory is mimalloc's. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t arenas_start = UINT64_C(2) << 40;
static const uint64_t arenas_end = UINT64_C(30) << 40;

/*
 * Returns true if this line of /proc/PID/smaps is the first line about a mapping. Such a line begins with an address,
 * and all other lines begin with a capital letter.
 */
static bool memory_begins(const char *line, uint64_t *start, uint64_t *inode, const char **name)
{
    int behind = 0;
    if (line[0] < '0' || line[0] > 'f' ||
        sscanf(line, "%" SCNx64 "-%*x %*s %*x %*x:%*x %" SCNu64 " %n", start, inode, &behind) < 2) {
        return false;
    }
    *name = line + behind;
    return true;
}

static bool memory_is_small(uint64_t start, uint64_t inode, const char *name)
{
    bool nameless = name[0] == '\0' || name[0] == '\n';
    return inode == 0 &&
           ((nameless && start >= arenas_start && start < arenas_end) || strstr(name, "mimalloc") != NULL);
}

bool remote_memory_read(int process, struct remote_memory *memory)
{
    char path[32];
    char *line = NULL;
    size_t size = 0;
    uint64_t start = 0;
    uint64_t inode = 0;
    uint64_t kilobytes;
    const char *name;
    bool small = false;
    *memory = (struct remote_memory){0};
    snprintf(path, sizeof path, "/proc/%d/smaps", process);
    FILE *file = fopen(path, "re");
    while (file != NULL && getline(&line, &size, file) > 0) {
        if (memory_begins(line, &start, &inode, &name)) {
            small = memory_is_small(start, inode, name);
        } else if (sscanf(line, "Rss: %" SCNu64 " kB", &kilobytes) == 1) {
            memory->resident += kilobytes << 10;
            memory->small += small ? kilobytes << 10 : 0;
        }
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return memory->resident > 0;
}
