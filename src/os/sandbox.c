/* Decides which system calls the library may make, by the seccomp filters that are in force. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/sandbox.h"

#include <stdatomic.h>
#include <string.h>

#include "base/attributes.h"
#include "os/os.h"
#include "os/os_file.h"
#include "os/os_process.h"

enum { STATUS_SIZE = 4096 };

static _Atomic unsigned own_filters; /* the number of filters that the process has set after start-up */

/*
 * Returns true if a filter was in force at start-up. The line "Seccomp:" of /proc/self/status shows this. If neither
 * this line nor the later line "Cpus_allowed:" is found, the file could not be read, and a filter is assumed. If only
 * the later line is found, the kernel has no seccomp.
 */
static COLD bool sandbox_is_at_init(void)
{
    static const char key[] = "\nSeccomp:\t";
    char status[STATUS_SIZE];
    os_read_file("/proc/self/status", status, sizeof status);
    const char *line = strstr(status, key);
    return line != NULL ? line[sizeof key - 1] != '0' : strstr(status, "\nCpus_allowed:") == NULL;
}

static pid_t process;

pid_t sandbox_process(void)
{
    return sandbox_allows(SANDBOX_COMMON) ? os_process() : process;
}

void sandbox_after_fork(void)
{
    process = os_thread();
}

COLD void sandbox_open(void)
{
    process = os_process();
    if (sandbox_is_at_init()) {
        os_add_filter();
    }
}

bool sandbox_allows(enum sandbox_call call)
{
    return call == SANDBOX_RARE ? !os_is_filtered() : atomic_load_explicit(&own_filters, memory_order_relaxed) == 0;
}

void sandbox_add_filter(void)
{
    atomic_fetch_add_explicit(&own_filters, 1, memory_order_relaxed);
    os_add_filter();
}

void sandbox_drop_filter(void)
{
    os_drop_filter();
    atomic_fetch_sub_explicit(&own_filters, 1, memory_order_relaxed);
}
