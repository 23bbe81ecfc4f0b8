/* Tests of os/sandbox.c: which seccomp filters the library knows of, whether they were set before or after its start,
 * and which system calls it may make under a filter. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os_processors.h"
#include "os/sandbox.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/filter.h"

static void init_filtered(void *unused)
{
    (void)unused;
    /* sandbox_open must not find the filter by prctl, because prctl kills the process here */
    filter_call(SYS_prctl, SECCOMP_RET_KILL_PROCESS);
    sandbox_open();
    CHECK(sandbox_allows(SANDBOX_COMMON));
    CHECK(!sandbox_allows(SANDBOX_RARE));
    sandbox_add_filter();
    CHECK(!sandbox_allows(SANDBOX_COMMON));
    sandbox_drop_filter();
    CHECK(sandbox_allows(SANDBOX_COMMON));
    CHECK(!sandbox_allows(SANDBOX_RARE));
}

Test(sandbox, filter_from_before_init_is_found_and_stays)
{
    capture_clean(init_filtered, NULL);
}

static void init_where_no_file_can_be_read(void *unused)
{
    (void)unused;
    filter_call(SYS_openat, SECCOMP_RET_ERRNO | 2);
    sandbox_open();
    CHECK(!sandbox_allows(SANDBOX_RARE));
}

Test(sandbox, unreadable_state_counts_as_a_filter)
{
    capture_clean(init_where_no_file_can_be_read, NULL);
}

static void set_one_later(void *unused)
{
    (void)unused;
    sandbox_add_filter();
    filter_call(SYS_getpid, SECCOMP_RET_KILL_PROCESS);
    CHECK(!sandbox_allows(SANDBOX_COMMON) && !sandbox_allows(SANDBOX_RARE));
    CHECK(sandbox_process() > 0);
}

/* A child installs a seccomp filter. Before that, the test only checks that common system calls are allowed; in a
 * container, which has a filter from the start, rare ones may not be. */
Test(sandbox, filter_of_its_own_allows_neither)
{
    sandbox_open();
    cr_assert(sandbox_allows(SANDBOX_COMMON));
    capture_clean(set_one_later, NULL);
}

Test(sandbox, each_filter_counts)
{
    sandbox_add_filter();
    sandbox_add_filter();
    sandbox_drop_filter();
    cr_assert_not(sandbox_allows(SANDBOX_COMMON));
    sandbox_drop_filter();
    cr_assert(sandbox_allows(SANDBOX_COMMON) && sandbox_allows(SANDBOX_RARE));
}

static void count_processors_behind_a_filter(void *unused)
{
    (void)unused;
    sandbox_add_filter();
    filter_call(SYS_openat, SECCOMP_RET_KILL_PROCESS);
    CHECK(os_processors() == OS_PROCESSORS_UNREAD);
}

/* os_processors reads the number of processors from a file. If the program has set a filter before the first call of
 * os_processors, this call must not open the file. */
Test(sandbox, processors_are_not_counted_behind_a_filter)
{
    sandbox_open();
    capture_clean(count_processors_behind_a_filter, NULL);
    cr_assert_eq(os_processors(), (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}

/* sandbox_process returns the process id and makes no system call for that. In the child of a fork it must return the
 * child's id. */
Test(sandbox, process_after_fork)
{
    int status;
    pid_t self = getpid();
    sandbox_open();
    sandbox_add_filter();
    cr_assert_eq(sandbox_process(), self);
    pid_t child = fork();
    if (child == 0) {
        sandbox_after_fork();
        _exit(sandbox_process() == getpid() && sandbox_process() != self ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}
