/* Tests of pool/pressure.c: when the library measures how much memory is left, which figures count as high pressure,
 * and that the measuring does the program no harm. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "os/sandbox.h"
#include "pool/pool.h"
#include "pool/pressure.h"
#include "statistics/snapshot.h"
#include "support/house.h"
#include "support/tree.h"

enum { MIB = 1 << 20, LIMIT = 64 * MIB, SLOTS = 64 };

static const uint64_t second = 1000000000;
/* in nanoseconds: so long after a measurement, every measurement is due again */
static const uint64_t later = 10000000000;

static const char *root;

static void set_usage(uint64_t bytes)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%lu\n", (unsigned long)bytes);
    tree_write("/sys/fs/cgroup/a/memory.current", digits);
}

static void set_stall(const char *percent)
{
    char line[64];
    snprintf(line, sizeof line, "some avg10=%s avg60=0.00\n", percent);
    tree_write("/proc/pressure/memory", line);
}

static void move_to_a_full_group(void)
{
    tree_write("/proc/self/cgroup", "0::/b\n");
    tree_write("/sys/fs/cgroup/b/memory.max", "67108864\n");
    tree_write("/sys/fs/cgroup/b/memory.current", "67108864\n");
}

/* Makes the files of a control group with a limit of 64 MiB and no memory in use, and a file that says that the system
 * spends no time waiting for memory. */
static void open_machine(void)
{
    root = tree_open();
    tree_write("/proc/self/cgroup", "0::/a\n");
    tree_write("/sys/fs/cgroup/a/memory.max", "67108864\n");
    set_usage(0);
    set_stall("0.00");
    pressure_open(true, root);
}

/* Makes the four calls of pressure_tick that a whole measurement needs: one call finds the control group, two read the
 * limits of the two levels of the hierarchy, and one reads how long the system has waited for memory. */
static bool tick(uint64_t now)
{
    for (unsigned i = 0; i < 3; i++) {
        pressure_tick(now);
    }
    return pressure_tick(now);
}

TestSuite(pressure, .init = open_machine, .fini = tree_close);

Test(pressure, high_when_an_eighth_is_left)
{
    set_usage(LIMIT / 8 * 7 - 1);
    cr_assert_not(tick(later));
    set_usage(LIMIT / 8 * 7);
    cr_assert(tick(2 * later));
    cr_assert(pressure_is_high());
    set_usage(LIMIT / 8 * 7 - 1);
    cr_assert_not(tick(3 * later));
    cr_assert_eq(pressure.highs, 1);
    set_usage(LIMIT);
    cr_assert(tick(4 * later));
    cr_assert(tick(5 * later));
    cr_assert_eq(pressure.highs, 2, "the pressure is counted when it becomes high");
}

Test(pressure, high_when_a_tenth_of_the_time_is_spent_waiting)
{
    set_stall("9.99");
    cr_assert_not(tick(later));
    set_stall("10.00");
    cr_assert(tick(2 * later));
}

/* pressure_grow measures how many bytes are left until the pressure would be high. When the process has grown by a
 * quarter of them, pressure_grow measures again. */
Test(pressure, looks_again_when_a_quarter_has_come)
{
    cr_assert_not(pressure_grow(1));
    set_usage(LIMIT);
    uint64_t step = LIMIT / 8 * 7 / 4;
    cr_assert_not(pressure_grow(step - 1));
    cr_assert(pressure_grow(1));
    set_usage(0);
    cr_assert(pressure_grow(256 * 1024 - 1), "while the pressure is high, the limit is read after each 256 KiB");
    cr_assert_not(pressure_grow(1));
}

Test(pressure, looks_by_the_clock)
{
    uint64_t start = 10 * second;
    cr_assert_not(tick(start));
    set_usage(LIMIT);
    cr_assert_not(tick(start + second / 5 - 1));
    cr_assert(tick(start + second / 5));
    set_usage(0);
    start += second / 5;
    cr_assert(tick(start + second / 50 - 1), "while the pressure is high, the limit is read more often");
    cr_assert_not(tick(start + second / 50));
}

/* A process without a limit may get one later, so the limit is read again every five seconds. */
Test(pressure, looks_every_five_seconds_where_there_is_no_limit)
{
    uint64_t start = 10 * second;
    tree_write("/sys/fs/cgroup/a/memory.max", "max\n");
    set_usage(LIMIT);
    cr_assert_not(tick(start));
    tree_write("/sys/fs/cgroup/a/memory.max", "67108864\n");
    cr_assert_not(tick(start + 5 * second - 1));
    cr_assert(tick(start + 5 * second));
}

/* The kernel computes the average time of waiting for memory anew every two seconds, so pressure_tick reads it no more
 * often. */
Test(pressure, looks_at_the_waiting_every_two_seconds)
{
    uint64_t start = 10 * second;
    set_stall("50.00");
    cr_assert(tick(start));
    set_stall("0.00");
    cr_assert(tick(start + 2 * second - 1));
    cr_assert_not(tick(start + 2 * second));
    set_stall("50.00");
    cr_assert_not(tick(start + 4 * second - 1));
    cr_assert(tick(start + 4 * second));
}

/* Each call of pressure_tick makes only one step, so that no free takes long: the call reads the limit of one level of
 * the hierarchy, or how long the system has waited for memory. */
Test(pressure, one_step_at_a_time)
{
    set_usage(LIMIT);
    cr_assert_not(pressure_tick(later), "the first step finds the group");
    cr_assert_not(pressure_tick(later), "the second step reads the group's own level");
    cr_assert(pressure_tick(later), "the third step reads the level above, which is the last");
    set_usage(0);
    set_stall("50.00");
    cr_assert(tick(2 * later), "the last step reads the time spent waiting");
    set_stall("0.00");
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(pressure_tick(3 * later));
    }
    cr_assert_not(pressure_tick(3 * later));
    cr_assert_eq(pressure.highs, 1);
}

/* A thread that needs new memory calls pressure_grow, which reads the limits of all levels of the hierarchy of control
 * groups at once. Frees call pressure_tick, which reads one level in each call. */
Test(pressure, growth_looks_at_all_levels_at_once)
{
    cr_assert_not(pressure_tick(later));
    set_usage(LIMIT);
    cr_assert(pressure_grow(1));
    set_usage(0);
    move_to_a_full_group();
    cr_assert(tick(clock_now() + later), "the search that had begun is dropped");
}

Test(pressure, either_part_is_enough)
{
    set_usage(LIMIT);
    cr_assert(tick(later));
    set_usage(0);
    set_stall("50.00");
    cr_assert(tick(2 * later));
    set_stall("0.00");
    cr_assert_not(tick(3 * later));
}

Test(pressure, missing_files_turn_it_off_until_they_return)
{
    set_usage(LIMIT);
    cr_assert(tick(later));
    tree_remove("/sys/fs/cgroup/a/memory.current");
    cr_assert_not(tick(2 * later));
    set_usage(LIMIT);
    cr_assert(tick(3 * later));
}

Test(pressure, does_nothing_when_disabled)
{
    set_usage(LIMIT);
    pressure_open(false, "");
    cr_assert_not(tick(later));
    cr_assert_not(pressure_grow(UINT64_C(1) << 40));
}

static void install_filter(void)
{
    struct sock_filter step = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {.len = 1, .filter = &step};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

/* The server has installed a seccomp filter, which may kill the server when it opens a file. So pressure_tick opens no
 * file any more. */
Test(pressure, opens_nothing_behind_a_filter_that_came_later)
{
    cr_assert_not(tick(later));
    set_usage(LIMIT);
    install_filter();
    /* tells the library that the process has a seccomp filter now; in a server, the library's wrapper of prctl does
     * this */
    sandbox_add_filter();
    cr_assert_not(tick(2 * later));
    cr_assert_not(pressure_grow(UINT64_C(1) << 40));
    cr_assert(pressure.off);
}

/* The filter was in force before the program started, as in a container. Such a filter cannot forbid opening files,
 * because the program could otherwise not have started. So pressure_tick opens files. */
Test(pressure, looks_behind_a_filter_that_was_there_at_init)
{
    install_filter();
    sandbox_open();
    set_stall("50.00");
    cr_assert(tick(later));
}

/* At the fork another thread of the parent was measuring. That thread does not exist in the child, so
 * pressure_after_fork must make measuring possible again. */
Test(pressure, child_of_a_fork_may_look)
{
    cr_assert_not(atomic_flag_test_and_set(&pressure.looking));
    set_usage(LIMIT);
    cr_assert_not(tick(later), "another thread counts as measuring");
    pressure_after_fork();
    cr_assert(tick(later));
}

/*
 * The parent may have forked in the middle of its search for the control group, so the child begins this search again.
 */
Test(pressure, child_of_a_fork_begins_the_search_again)
{
    cr_assert_not(pressure_tick(later));
    move_to_a_full_group();
    pressure_after_fork();
    cr_assert(tick(later));
}

static void *taken[SLOTS];

static void use(unsigned bucket, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        taken[i] = house_take(bucket, house_plan.size[bucket], NULL);
        cr_assert_not_null(taken[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        house_give(taken[i]);
    }
}

static const struct snapshot *look(void)
{
    static struct snapshot snapshot;
    snapshot_take(&snapshot);
    return &snapshot;
}

/* Under high pressure, the pools purge free slots before they use new pages. The pools purge as many bytes as the new
 * pages have, but at least a quantum (as much as one step of decay purges). */
Test(pressure, new_pages_replace_free_ones)
{
    house_lay_default();
    use(B256K, SLOTS);
    cr_assert_eq(look()->bucket[B256K].depot, SLOTS);
    set_usage(LIMIT);
    /* this time is later than any that the library has read from the clock */
    cr_assert(tick(clock_now() + later));
    cr_assert_not_null(house_take(B128K, 1 << 17, NULL));
    size_t stride = house_plan.stride[B256K];
    uint64_t wanted = (pool_quantum() + stride - 1) / stride;
    cr_assert_eq(look()->bucket[B256K].purged, wanted);
    cr_assert_not_null(house_take(B4M, 4 << 20, NULL));
    wanted += ((4 << 20) + stride - 1) / stride;
    cr_assert_eq(look()->bucket[B256K].purged, wanted);
    cr_assert_eq(look()->pressure_highs, 1);
    house_assert();
}

/* Under high pressure the caches are emptied only if there is no other free memory to purge. */
Test(pressure, caches_come_last)
{
    house_lay_default();
    use(B64K, MAGAZINE_SLOTS);
    use(B256K, 4);
    set_usage(LIMIT);
    /* this time is later than any that the library has read from the clock */
    cr_assert(tick(clock_now() + later));
    cr_assert_not_null(house_take(B1M, 1 << 20, NULL));
    cr_assert_eq(look()->bucket[B64K].cached, MAGAZINE_SLOTS);
    cr_assert_not_null(house_take(B1M, 1 << 20, NULL));
    cr_assert_eq(look()->bucket[B256K].depot, 0);
    cr_assert_eq(look()->bucket[B64K].cached, 0);
    cr_assert_gt(look()->bucket[B64K].purged, 0);
    house_assert();
}
