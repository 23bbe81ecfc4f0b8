/* Tests of os/cgroup.c, which finds the memory limit of the process: in control groups of version 1 and 2, on each
 * level of the hierarchy, and with files missing. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "os/cgroup.h"
#include "support/tree.h"

#define V1 "/sys/fs/cgroup/memory"
#define V2 "/sys/fs/cgroup"

static const char *root;

static void open_tree(void)
{
    root = tree_open();
}

TestSuite(cgroup, .init = open_tree, .fini = tree_close);

static struct cgroup_search search;

/* Checks that cgroup_look finds a limit of `limit` bytes of which `left` bytes are left, and that it does not change
 * errno. */
static void expect_room(uint64_t limit, uint64_t left)
{
    errno = E2BIG;
    cr_assert(cgroup_look(&search, root));
    cr_expect_eq(search.room.limit, limit);
    cr_expect_eq(search.room.left, left);
    cr_assert_eq(errno, E2BIG);
}

static void expect_none(void)
{
    errno = E2BIG;
    cr_assert_not(cgroup_look(&search, root));
    cr_assert_eq(errno, E2BIG);
}

Test(cgroup, version_2)
{
    tree_write("/proc/self/cgroup", "0::/a.slice/b\n");
    tree_write(V2 "/a.slice/b/memory.max", "1000\n");
    tree_write(V2 "/a.slice/b/memory.current", "400\n");
    expect_room(1000, 600);
}

Test(cgroup, version_1)
{
    tree_write("/proc/self/cgroup", "9:name=systemd:/\n4:memory:/a/b\n1:cpu:/c\n0::/d\n");
    tree_write(V1 "/a/b/memory.limit_in_bytes", "1000\n");
    tree_write(V1 "/a/b/memory.usage_in_bytes", "400\n");
    tree_write(V2 "/d/memory.max", "10\n");
    tree_write(V2 "/d/memory.current", "1\n");
    expect_room(1000, 600);
}

/* The cached pages of files, active and inactive ones, count as free, because the kernel can drop them when memory is
 * short. */
Test(cgroup, pages_of_files_are_not_used)
{
    tree_write("/proc/self/cgroup", "0::/a\n");
    tree_write(V2 "/a/memory.max", "1000\n");
    tree_write(V2 "/a/memory.current", "990\n");
    tree_write(V2 "/a/memory.stat", "anon 100\nfile 500\ninactive_anon 7\nactive_file 80\n"
                                    "inactive_file 300\n");
    expect_room(1000, 390);
    tree_write(V2 "/a/memory.stat", "anon 100\n");
    expect_room(1000, 10);
    tree_write(V2 "/a/memory.stat", "anon 1\ninactive_file 3000\n");
    expect_room(1000, 1000);
    tree_write(V2 "/a/memory.current", "1200\n");
    tree_remove(V2 "/a/memory.stat");
    expect_room(1000, 0);
}

Test(cgroup, version_1_counts_the_groups_below)
{
    tree_write("/proc/self/cgroup", "4:memory:/a\n");
    tree_write(V1 "/a/memory.limit_in_bytes", "1000\n");
    tree_write(V1 "/a/memory.usage_in_bytes", "900\n");
    tree_write(V1 "/a/memory.stat", "cache 1\ninactive_file 5\nactive_file 6\n"
                                    "total_inactive_file 100\ntotal_active_file 20\n");
    expect_room(1000, 220);
}

Test(cgroup, tightest_level_counts)
{
    tree_write("/proc/self/cgroup", "0::/a/b/c\n");
    tree_write(V2 "/a/b/c/memory.max", "1000\n");
    tree_write(V2 "/a/b/c/memory.current", "100\n");
    tree_write(V2 "/a/b/memory.max", "max\n");
    tree_write(V2 "/a/b/memory.current", "100\n");
    tree_write(V2 "/a/memory.max", "2000\n");
    tree_write(V2 "/a/memory.current", "1900\n");
    expect_room(2000, 100);
    tree_write(V2 "/a/memory.current", "1000\n");
    expect_room(1000, 900);
}

/* In a container, /proc/self/cgroup may show the path that the group has on the host. That path does not exist in the
 * container, and the container's own group is at the top of the mount. */
Test(cgroup, top_of_the_mount_counts_where_the_path_is_not_there)
{
    tree_write("/proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");
    tree_write(V2 "/memory.max", "1000\n");
    tree_write(V2 "/memory.current", "300\n");
    expect_room(1000, 700);
    tree_write("/proc/self/cgroup", "0::/\n");
    expect_room(1000, 700);
}

Test(cgroup, no_limit)
{
    tree_write("/proc/self/cgroup", "0::/a\n");
    tree_write(V2 "/a/memory.max", "max\n");
    tree_write(V2 "/a/memory.current", "300\n");
    expect_none();
    tree_write("/proc/self/cgroup", "4:memory:/a\n");
    tree_write(V1 "/a/memory.limit_in_bytes", "9223372036854771712\n");
    tree_write(V1 "/a/memory.usage_in_bytes", "300\n");
    expect_none();
}

Test(cgroup, nothing_readable)
{
    expect_none();
    tree_write("/proc/self/cgroup", "");
    expect_none();
    tree_write("/proc/self/cgroup", "0::/a\n");
    expect_none();
    tree_write(V2 "/a/memory.max", "1000\n");
    expect_none();
    tree_write(V2 "/a/memory.current", "many\n");
    expect_none();
}

Test(cgroup, path_too_long_is_the_top)
{
    char line[700] = "0::/";
    memset(line + 4, 'x', 600);
    tree_write("/proc/self/cgroup", line);
    tree_write(V2 "/memory.max", "1000\n");
    tree_write(V2 "/memory.current", "300\n");
    expect_room(1000, 700);
}

Test(cgroup, stall)
{
    cr_assert_eq(cgroup_stall(root), 0);
    tree_write("/proc/pressure/memory", "some avg10=12.34 avg60=1.00 avg300=0.10 total=5\n"
                                        "full avg10=99.00 avg60=0.00 avg300=0.00 total=1\n");
    cr_assert_eq(cgroup_stall(root), 1234);
    tree_write("/proc/pressure/memory", "some avg10=0.05 avg60=1.00 avg300=0.10 total=5\n");
    cr_assert_eq(cgroup_stall(root), 5);
    tree_write("/proc/pressure/memory", "some avg10=");
    cr_assert_eq(cgroup_stall(root), 0);
}
