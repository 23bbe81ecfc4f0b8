/* Counts the processors of the machine, and those that the process may use. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/os_processors.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "os/os.h"
#include "os/sandbox.h"
#include "os/system_call.h"

unsigned os_processors(void)
{
    static _Atomic unsigned known; /* the number of processors; zero until the first call has read it from a file */
    unsigned count = atomic_load_explicit(&known, memory_order_relaxed);
    if (count == 0 && !sandbox_allows(SANDBOX_COMMON)) {
        return OS_PROCESSORS_UNREAD;
    }
    if (count == 0) {
        long said = sysconf(_SC_NPROCESSORS_CONF);
        count = said > 0 ? (unsigned)said : 1;
        atomic_store_explicit(&known, count, memory_order_relaxed);
    }
    return count;
}

COLD unsigned os_usable_processors(void)
{
    /* one bit for each of 8192 processors, which is the largest number that a kernel can be built for */
    enum { WORDS = 128 };
    uint64_t usable[WORDS];
    unsigned count = 0;
    long bytes = os_is_filtered() ? -EPERM : system_call(SYS_sched_getaffinity, 0, sizeof usable, usable);
    for (long word = 0; word < bytes / (long)sizeof *usable; word++) {
        for (uint64_t left = usable[word]; left != 0; left &= left - 1) {
            count++;
        }
    }
    return count > 0 ? count : os_processors();
}
