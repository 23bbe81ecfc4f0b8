/* Reads which pages of another process are resident. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_snapshot_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "memory/residency.h"
#include "os/os.h"

static int pagemap = -1;

bool remote_snapshot_ask_pages_of(int process)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/pagemap", process);
    if (pagemap >= 0) {
        close(pagemap);
    }
    pagemap = open(path, O_RDONLY | O_CLOEXEC);
    return pagemap >= 0 || errno == EACCES || errno == EPERM;
}

/*
 * /proc/PID/pagemap has a 64-bit word for each page. The highest bit of the word is set if the page is resident
 * (Documentation/admin-guide/mm/pagemap.rst).
 */
bool residency_ask(const char *start, size_t size, unsigned char *pages)
{
    uint64_t word[OS_RESIDENCY_PAGES];
    size_t count = size / os_page_size();
    size_t wanted = count * sizeof word[0];
    off_t at = (off_t)((uintptr_t)start / os_page_size() * sizeof word[0]);
    if (count > OS_RESIDENCY_PAGES || pread(pagemap, word, wanted, at) != (ssize_t)wanted) {
        return false;
    }
    for (size_t page = 0; page < count; page++) {
        pages[page] = (unsigned char)(word[page] >> 63);
    }
    return true;
}
