/* Reads how much memory a process has, from the kernel's files in /proc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory.h"

#include "bench.h"
#include "touch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAPS_BYTES = 512 * 1024, ENTRIES = 512 };

/* bits of an entry of /proc/PID/pagemap, which has one entry for each page of the address space */
static const uint64_t entry_present = UINT64_C(1) << 63;
static const uint64_t entry_of_file = UINT64_C(1) << 61;
static const uint64_t entry_exclusive = UINT64_C(1) << 56;

static int proc_open(const char *process, const char *file)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/%s", process, file);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        bench_fail(path);
    return descriptor;
}

/* Reads a file of the kernel to its end, which may take many reads. */
static void proc_read(const char *process, const char *file, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got;
    int descriptor = proc_open(process, file);
    while ((got = read(descriptor, text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    if (length == size - 1)
        errno = EFBIG;
    if (got < 0 || length == size - 1)
        bench_fail(file);
    text[length] = '\0';
    close(descriptor);
}

double memory_resident(const char *process)
{
    static char text[4096];
    proc_read(process, "smaps_rollup", text, sizeof text);
    const char *resident = strstr(text, "\nRss:");
    if (resident == NULL) {
        errno = EPROTO;
        bench_fail("smaps_rollup");
    }
    return strtod(resident + strlen("\nRss:"), NULL) / 1024;
}

static bool is_zero(const char page[PAGE])
{
    static const char zeros[PAGE];
    return memcmp(page, zeros, PAGE) == 0;
}

/* Counts the private anonymous pages between `start` and `end` that are resident and hold only zeros. Reading such a
 * page makes no other page resident. A page that another thread unmaps meanwhile is not counted. */
static unsigned long range_untouched(int pagemap, int memory, uintptr_t start, uintptr_t end)
{
    static uint64_t entries[ENTRIES];
    static char page[PAGE];
    const uint64_t flags = entry_present | entry_of_file | entry_exclusive;
    unsigned long untouched = 0;
    for (uintptr_t at = start; at < end; at += (uintptr_t)ENTRIES * PAGE) {
        size_t count = (end - at) / PAGE < ENTRIES ? (end - at) / PAGE : ENTRIES;
        ssize_t size = (ssize_t)(count * sizeof entries[0]);
        if (pread(pagemap, entries, (size_t)size, (off_t)(at / PAGE * sizeof entries[0])) != size)
            bench_fail("pagemap");
        for (size_t i = 0; i < count; i++) {
            if ((entries[i] & flags) != (entry_present | entry_exclusive))
                continue;
            if (pread(memory, page, PAGE, (off_t)(at + i * PAGE)) == PAGE && is_zero(page))
                untouched++;
        }
    }
    return untouched;
}

double memory_untouched(const char *process)
{
    static char maps[MAPS_BYTES];
    unsigned long untouched = 0;
    proc_read(process, "maps", maps, sizeof maps);
    int pagemap = proc_open(process, "pagemap");
    int memory = proc_open(process, "mem");
    for (char *line = maps; *line != '\0'; line = strchr(line, '\n') + 1) {
        char *after;
        uintptr_t start = strtoul(line, &after, 16);
        uintptr_t end = strtoul(after + 1, &after, 16);
        /*
         * skip memory that cannot be written to, such as a large reservation of addresses: it has no pages of its own
         */
        if (strncmp(after, " rw", 3) == 0)
            untouched += range_untouched(pagemap, memory, start, end);
    }
    close(memory);
    close(pagemap);
    return (double)untouched * PAGE / (1024 * 1024);
}

double memory_untouched_percent(const char *process)
{
    return 100 * memory_untouched(process) / memory_resident(process);
}
