/* Which system calls the process may make: what is known of its seccomp filters. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/seal.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "os/os.h"

enum { STATUS_SIZE = 4096 };

static _Atomic unsigned own_filters; /* set since birth */

/*
 * Returns true unless /proc/self/status says that there is none. A kernel that knows no filters
 * leaves the line out; then the lines after it are there.
 */
static bool seal_is_born_filtered(void)
{
    static const char key[] = "\nSeccomp:\t";
    char status[STATUS_SIZE];
    os_read_file("/proc/self/status", status, sizeof status);
    const char *line = strstr(status, key);
    return line != NULL ? line[sizeof key - 1] != '0' : strstr(status, "\nCpus_allowed:") == NULL;
}

static pid_t process;

pid_t seal_process(void)
{
    return seal_allows(SEAL_COMMON) ? getpid() : process;
}

void seal_after_fork(void)
{
    process = os_thread();
}

void seal_open(void)
{
    process = getpid();
    if (seal_is_born_filtered()) {
        os_add_filter();
    }
}

bool seal_allows(enum seal_call call)
{
    return call == SEAL_RARE ? !os_is_filtered()
                             : atomic_load_explicit(&own_filters, memory_order_relaxed) == 0;
}

void seal_add_filter(void)
{
    atomic_fetch_add_explicit(&own_filters, 1, memory_order_relaxed);
    os_add_filter();
}

void seal_drop_filter(void)
{
    os_drop_filter();
    atomic_fetch_sub_explicit(&own_filters, 1, memory_order_relaxed);
}
