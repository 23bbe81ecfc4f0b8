/* Reads figures and flags of one of this process's mappings from /proc/self/smaps. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "smaps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

static char line[4096];

/* Reads /proc/self/smaps up to the first line of the mapping that contains the address. */
static void find_mapping(FILE *smaps, uint64_t address)
{
    uint64_t start;
    uint64_t end;
    do {
        CHECK(fgets(line, sizeof line, smaps) != NULL);
    } while (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) != 2 || address < start || address >= end);
}

/* Returns the text that follows `name` in the lines of the mapping that contains the address. */
static const char *find_line(const void *address, const char *name)
{
    static char buffer[1 << 16];
    size_t length = strlen(name);
    FILE *smaps = fopen("/proc/self/smaps", "re");
    CHECK(smaps != NULL && setvbuf(smaps, buffer, _IOFBF, sizeof buffer) == 0);
    find_mapping(smaps, (uint64_t)(uintptr_t)address);
    do {
        CHECK(fgets(line, sizeof line, smaps) != NULL);
    } while (strncmp(line, name, length) != 0 || line[length] != ':');
    CHECK(fclose(smaps) == 0);
    return line + length + 1;
}

uint64_t smaps_figure(const void *address, const char *name)
{
    uint64_t kilobytes;
    CHECK_EQUAL(sscanf(find_line(address, name), "%" SCNu64 " kB", &kilobytes), 1);
    return kilobytes * 1024;
}

bool smaps_has_flag(const void *address, const char *flag)
{
    char word[8];
    snprintf(word, sizeof word, " %s ", flag); /* in VmFlags a space follows every flag, also the last one */
    return strstr(find_line(address, "VmFlags"), word) != NULL;
}
