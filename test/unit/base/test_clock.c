/* Tests of base/clock.c, which reads the kernel's coarse clock in nanoseconds: the time is that of the coarse clock,
 * it never goes back, and no system call is made. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/crew.h"

enum { THREADS = 4, READS = 200000 };

static uint64_t coarse(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Calls clock_now between two readings of the coarse clock, until both readings are equal because the clock has not
 * advanced between them. clock_now must then have returned their time. The time of a finer clock would differ. */
Test(clock, shows_the_coarse_clock, .timeout = 60)
{
    uint64_t before;
    uint64_t now;
    do {
        before = coarse();
        now = clock_now();
    } while (coarse() != before);
    cr_assert_eq(now, before);
}

Test(clock, goes_on, .timeout = 60)
{
    uint64_t first = clock_now();
    uint64_t now;
    do {
        now = clock_now();
    } while (now == first);
    cr_assert_gt(now, first);
}

/* a time that one of the threads has read */
static _Atomic uint64_t latest;

static void read_or_fall_behind(unsigned number)
{
    (void)number;
    for (unsigned i = 0; i < READS; i++) {
        uint64_t seen = latest;
        uint64_t now = clock_now();
        if (!CHECK(now >= seen)) {
            return;
        }
        latest = now;
    }
}

/* The time never goes back: when any thread has read a time, no thread reads an earlier time after that. */
Test(clock, never_goes_back, .timeout = 60)
{
    crew_run(THREADS, read_or_fall_behind);
}

/* Runs in a child process. Sets the strict seccomp mode, in which each system call but read, write and exit kills the
 * process. Then reads the clock, so clock_now must make no system call. Exits with 0 if the clock was read, and with 2
 * if the mode cannot be set. */
static void read_behind_a_filter(void)
{
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) {
        _exit(2);
    }
    bool read = clock_now() != 0;
    syscall(SYS_exit, read ? 0 : 1);
}

Test(clock, a_sandboxed_program_may_read_it, .timeout = 60)
{
    int status;
    if (getauxval(AT_SYSINFO_EHDR) == 0) {
        cr_skip("this kernel has no vDSO, so reading a clock takes a system call");
    }
    pid_t child = fork();
    if (child == 0) {
        read_behind_a_filter();
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        cr_skip("the strict seccomp mode cannot be set here");
    }
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}
