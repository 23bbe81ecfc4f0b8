/* These cases test a fork child that saves a snapshot, as that of redis does: which memory the child shares with its
 * parent, and which pages the kernel copies when the parent writes to them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"
#include "smaps.h"

/* The first is a trained bucket (the library adapts the size of its caches to the load); its free slots lie in thread
 * caches and in the depot. The second belongs to the large pool, whose free slots lie on a stack. */
static const unsigned buckets[] = {2, 8};
enum { SAMPLED = 2, KEPT = 20, FREED = 60, CHILD_DEADLINE_SECONDS = 90 };

static char *kept[SAMPLED][KEPT];
static char *freed[SAMPLED][FREED];

/* Returns true if free slots were purged before the fork, because the runner set SOCKMALLOC_FORK_TRIM=1. */
static bool is_trimmed(void)
{
    return check_arguments[0][0] == '1';
}

static char *take_filled(unsigned i, int byte)
{
    char *block = malloc(pools_size(buckets[i]));
    CHECK(pools_own(block));
    return memset(block, byte, pools_size(buckets[i]));
}

static void take_freed(int byte)
{
    for (unsigned i = 0; i < SAMPLED; i++) {
        for (unsigned j = 0; j < FREED; j++) {
            freed[i][j] = take_filled(i, byte);
        }
    }
}

static void give_freed(void)
{
    for (unsigned i = 0; i < SAMPLED; i++) {
        for (unsigned j = 0; j < FREED; j++) {
            free(freed[i][j]);
        }
    }
}

/* Brings the parent into the state of a server before a fork: some blocks are live, and many were used and freed, so
 * that the caches have quotas. */
static void live(void)
{
    for (unsigned i = 0; i < SAMPLED; i++) {
        for (unsigned j = 0; j < KEPT; j++) {
            kept[i][j] = take_filled(i, 'k');
        }
    }
    for (unsigned round = 0; round < 3; round++) {
        take_freed('f');
        give_freed();
    }
}

static uint64_t kept_bytes(unsigned i)
{
    return KEPT * pools_size(buckets[i]);
}

static uint64_t freed_bytes(unsigned i)
{
    return FREED * pools_size(buckets[i]);
}

static void check_kept(void)
{
    for (unsigned i = 0; i < SAMPLED; i++) {
        for (unsigned j = 0; j < KEPT; j++) {
            size_t size = pools_size(buckets[i]);
            CHECK(kept[i][j][0] == 'k' && memcmp(kept[i][j], kept[i][j] + 1, size - 1) == 0);
        }
    }
}

/* The child calls this function before its parent writes to memory again. The child then shares the memory of all live
 * blocks with its parent. It shares the free memory too, unless that was purged before the fork. */
static void check_shared(void)
{
    for (unsigned i = 0; i < SAMPLED; i++) {
        CHECK_EQUAL(pools_bucket_figure(buckets[i], "resident_live"), kept_bytes(i));
        CHECK_EQUAL(pools_bucket_figure(buckets[i], "resident_free"), is_trimmed() ? 0 : freed_bytes(i));
    }
}

/*
 * The child calls this function after its parent has allocated the freed blocks again and has written to all of them.
 * Unless free memory was purged before the fork, the kernel has copied the pages of these blocks. So the child no
 * longer shares these pages, and they count as private memory of the child.
 */
static void check_copied(void)
{
    uint64_t freed_in_all = 0;
    for (unsigned i = 0; i < SAMPLED; i++) {
        freed_in_all += freed_bytes(i);
    }
    /* the figure is that of the one mapping that holds the slots of all buckets */
    uint64_t copied = smaps_figure(kept[0][0], "Private_Dirty");
    CHECK_EQUAL(copied, is_trimmed() ? 0 : freed_in_all);
    check_kept();
}

static void await(int descriptor)
{
    char byte;
    CHECK_EQUAL(read(descriptor, &byte, 1), 1);
}

static void tell(int descriptor)
{
    CHECK_EQUAL(write(descriptor, "x", 1), 1);
}

static void be_snapshot(int from_parent, int to_parent)
{
    alarm(CHILD_DEADLINE_SECONDS);
    check_shared();
    tell(to_parent);
    await(from_parent);
    check_copied();
    _exit(EXIT_SUCCESS);
}

CASE(snapshot_shares_what_is_in_use)
{
    int to_child[2];
    int to_parent[2];
    CHECK_EQUAL(pipe(to_child), 0);
    CHECK_EQUAL(pipe(to_parent), 0);
    live();
    pools_figure("live"); /* this call looks up the library's functions with dlsym, before the child needs them */
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        be_snapshot(to_child[0], to_parent[1]);
    }
    await(to_parent[0]);
    take_freed('w');
    tell(to_child[1]);
    check_wait(child);
    check_kept();
    give_freed();
    pools_check_ledger();
}
