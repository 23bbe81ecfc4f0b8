/* Tests of populating, the system call that gives a slot its pages before the program writes to them: which pages of a
 * new slot are populated, and what happens if the kernel has no memory or does not know the call. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "os/os.h"
#include "pool/pool.h"
#include "pool/pool_populate.h"
#include "support/advice.h"
#include "support/capture.h"
#include "support/house.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* MOST is the largest number of pages that one call of madvise populates. The library populates no page of a new slot,
 * the sampled slot, to see how many of its pages the program writes to. In each of the next AHEAD new slots the library
 * then populates that many pages. OF_64K is how many pages 64 KiB have. */
enum { PAGE = 4096, MOST = 256, AHEAD = 15, OF_64K = 16, EVERYTHING = 1 << 30 };

/* The calls to populate that the simulated kernel has got: their number, and the start and size of the last range.
 * `refusal` is the error number with which the simulated kernel refuses each call, or 0 if it populates the range. */
static struct {
    unsigned calls;
    char *start;
    size_t size;
    int refusal;
} asked;

/* Answers madvise in place of the kernel. Populates the range as MADV_POPULATE_WRITE does, even on a kernel that does
 * not know this advice, or refuses with `asked.refusal`. */
static long populate(char *start, size_t size, int advice)
{
    if (advice != MADV_POPULATE_WRITE) {
        return ADVICE_TO_KERNEL;
    }
    asked.calls++;
    asked.start = start;
    asked.size = size;
    if (asked.refusal != 0) {
        return -asked.refusal;
    }
    for (size_t i = 0; i < size; i += PAGE) {
        *(volatile char *)(start + i) = 0;
    }
    return 0;
}

/* Disables huge pages in this process, because with them one touched byte would make 2 MiB resident. */
static void prepare(void)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    advice_answer(populate);
}

TestSuite(pool_populate, .init = prepare);

/* Allocates a slot, and checks that the library has made one call to populate its first `pages` pages, or no call if
 * `pages` is 0. */
static char *take_asking(unsigned bucket, size_t request, unsigned pages)
{
    asked.calls = 0;
    char *slot = house_take(bucket, request, NULL);
    cr_assert_not_null(slot);
    cr_assert_eq(asked.calls, pages > 0 ? 1U : 0U);
    cr_assert(pages == 0 || (asked.start == slot && asked.size == (size_t)pages * PAGE));
    return slot;
}

/* Returns how many of the first `pages` pages of the slot are resident. */
static unsigned pages_there(const char *slot, unsigned pages)
{
    unsigned char there[MOST];
    unsigned count = 0;
    cr_assert(os_residency(slot, (size_t)pages * PAGE, there));
    for (unsigned i = 0; i < pages; i++) {
        count += there[i] & 1U;
    }
    return count;
}

/* Allocates a new slot, checks that the library populates no page of it, as of a sampled slot, and writes to its first
 * `written` pages. */
static char *sampled_slot(unsigned bucket, size_t request, unsigned written)
{
    char *slot = take_asking(bucket, request, 0);
    memset(slot, 'x', (size_t)written * PAGE);
    return slot;
}

/* Makes two sampled slots in the bucket and writes to `written` pages of each. The library then expects that new slots
 * of the bucket are written to in as many pages. */
static void grow(unsigned bucket, size_t request, unsigned written)
{
    sampled_slot(bucket, request, written);
    sampled_slot(bucket, request, written);
}

/* --- which pages are populated --- */

/* The first two new slots are not populated. When the second is allocated, the library finds that the first was written
 * to, and populates the next fifteen slots. The slot after these fifteen is not populated, and is the next sample. */
Test(pool_populate, new_slots_are_populated_at_once)
{
    house_lay_default();
    grow(B1M, 1 << 20, MOST);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < AHEAD; i++) {
            take_asking(B1M, 1 << 20, MOST);
        }
        sampled_slot(B1M, 1 << 20, MOST);
    }
}

/*
 * At most MOST pages of a slot are populated. If the request is smaller than the slot, only the pages that the request
 * needs are populated.
 */
Test(pool_populate, request_limits_the_populated_pages)
{
    house_lay_default();
    grow(B4M, 4 << 20, MOST);
    take_asking(B4M, 4 << 20, MOST);
    grow(B32K, 7 * PAGE, 7);
    take_asking(B32K, 7 * PAGE, 7);
    take_asking(B32K, 7 * PAGE - 1, 7);
    take_asking(B32K, 7 * PAGE + 1, 8);
}

/* A program may write to a part of its buffers only: for example, it may allocate 256 KiB and read 1,500 bytes into
 * them. Only as many pages of the next slots are populated as the program writes to; none if it writes to one page or
 * to none. */
Test(pool_populate, written_part_is_populated)
{
    house_lay_default();
    grow(B256K, 262144, 20);
    take_asking(B256K, 262144, 20);
    take_asking(B256K, 262144, 20);
    for (unsigned i = 0; i < 4 * AHEAD; i++) {
        sampled_slot(B512K, 524288, 1);
        take_asking(B1M, 1 << 20, 0);
    }
}

/* Allocates `count` slots, and checks that the first `pages` pages of each are populated. */
static void take_growing(unsigned bucket, size_t request, unsigned count, unsigned pages)
{
    for (unsigned i = 0; i < count; i++) {
        take_asking(bucket, request, pages);
    }
}

/*
 * Allocates slots of 64 KiB and writes to none of them, after the program has filled earlier slots. At every 16th slot
 * the library finds its sampled slot (left unpopulated, to see how much the program writes to it) empty, and halves the
 * number of pages that it populates. At the next allocation after this function, that number becomes 0.
 */
static void take_until_doubted(void)
{
    take_growing(B64K, 65536, AHEAD, OF_64K);
    take_asking(B64K, 65536, 0);
    take_growing(B64K, 65536, AHEAD, OF_64K);
    for (unsigned trusted = MOST / 2; trusted >= 2; trusted /= 2) {
        take_growing(B64K, 65536, 1 + AHEAD, trusted < OF_64K ? trusted : OF_64K);
    }
}

/*
 * The program has written to earlier slots, but writes to none of those that it allocates now. A sampled slot (left
 * unpopulated, to see how much the program writes to it) may be empty now and be filled later. So the library checks
 * the sampled slot again and again, and halves the number of pages that it populates at each check. When the program
 * fills slots again, the library populates whole requests again.
 */
Test(pool_populate, populated_part_follows_the_program)
{
    house_lay_default();
    grow(B64K, 65536, OF_64K);
    take_until_doubted();
    grow(B64K, 65536, OF_64K);
    take_asking(B64K, 65536, OF_64K);
}

/* As long as the sampled slot (left unpopulated, to see how much the program writes to it) stays empty, the library
 * checks it when the 2nd, 4th, 8th, 16th and 32nd new slot is allocated, and then at every 16th. */
Test(pool_populate, empty_slots_are_looked_at_more_and_more_rarely)
{
    enum { LOOK = 2 * (1 + AHEAD) };
    house_lay_default();
    take_growing(B64K, 65536, LOOK - 1, 0);
    for (unsigned i = 0; i <= AHEAD; i++) {
        sampled_slot(B64K, 65536, OF_64K);
    }
    /* when this slot is allocated, the library checks how much the program has written to the sampled slot; then this
     * slot becomes the sampled one */
    sampled_slot(B64K, 65536, OF_64K);
    take_asking(B64K, 65536, OF_64K);
}

/*
 * The program did not write to its first slots, so the library populates no slot. Now the program fills every slot that
 * it gets. The library still populates no page until it next checks the sampled slot (left unpopulated, to see how much
 * the program writes to it). From then on its checks are as frequent as they were at first.
 */
Test(pool_populate, first_filled_slot_brings_all_looks_back)
{
    house_lay_default();
    take_growing(B64K, 65536, 2 * (1 + AHEAD) - 1, 0);
    for (unsigned i = 0; i < 2 + AHEAD; i++) {
        sampled_slot(B64K, 65536, OF_64K);
    }
    take_until_doubted();
    grow(B64K, 65536, OF_64K);
    take_asking(B64K, 65536, OF_64K);
}

/*
 * A server may allocate buffers for all its clients before it fills the first one. So a sampled slot (left unpopulated,
 * to see how much the program writes to it) may be empty and still live. The library then goes on to populate other
 * slots.
 */
Test(pool_populate, live_sample_may_still_be_written_to)
{
    enum { CLIENTS = 3 * (1 + AHEAD) };
    house_lay_default();
    grow(B64K, 65536, OF_64K);
    take_growing(B64K, 65536, AHEAD, OF_64K);
    for (unsigned round = 0; round < 4; round++) {
        char *late = take_asking(B64K, 65536, 0);
        take_growing(B64K, 65536, CLIENTS - 1, OF_64K);
        memset(late, 'x', 65536);
    }
}

/* After the program has freed a sampled slot (left unpopulated, to see how much the program writes to it), the program
 * cannot write to that slot any more. So the library does not wait until that slot is filled: the next new slot becomes
 * the sampled slot, and none of its pages is populated. */
Test(pool_populate, free_sample_counts_at_once)
{
    house_lay_default();
    grow(B1M, 1 << 20, MOST);
    take_growing(B1M, 1 << 20, AHEAD, MOST);
    char *early = take_asking(B1M, 1 << 20, 0);
    early[0] = 'x';
    take_growing(B1M, 1 << 20, AHEAD, MOST);
    house_give(early);
    cr_assert_gt(pool_trim(EVERYTHING), 0U);
    take_asking(B1M, 1 << 20, 0);
}

Test(pool_populate, each_bucket_is_sampled_by_itself)
{
    house_lay_default();
    grow(B64K, 65536, OF_64K);
    take_asking(B128K, 131072, 0);
    take_asking(B64K, 65536, OF_64K);
}

/* If a slot needs a single page, the library makes no call to populate it, because a page fault costs no more than such
 * a call. */
Test(pool_populate, single_page_is_not_populated)
{
    house_lay_default();
    for (unsigned i = 0; i < 2 * AHEAD; i++) {
        sampled_slot(B4K, PAGE, 1);
    }
    grow(B4K, PAGE + 1, 2);
    take_asking(B4K, PAGE + 1, 2);
    take_asking(B4K, PAGE, 0);
}

/* If the pages of a slot are resident, the library makes no call to populate them. Such slots come from the fast path,
 * or from the slow path that exchanges two magazines. */
Test(pool_populate, slot_with_its_pages_is_not_populated)
{
    enum { MANY = 200 };
    static void *taken[MANY];
    house_lay_default();
    for (unsigned i = 0; i < MANY; i++) {
        taken[i] = house_take(B64K, 65536, NULL);
        memset(taken[i], 'x', 65536);
    }
    for (unsigned i = 0; i < MANY; i++) {
        house_give(taken[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        take_asking(B64K, 65536, 0);
    }
}

Test(pool_populate, purged_slot_is_like_a_new_one)
{
    house_lay_default();
    grow(B1M, 1 << 20, MOST);
    char *slot = take_asking(B1M, 1 << 20, MOST);
    memset(slot, 'x', 1 << 20);
    house_give(slot);
    cr_assert_gt(pool_trim(EVERYTHING), 0U);
    cr_assert_eq(take_asking(B1M, 1 << 20, MOST), slot);
}

/* If the sampled slot (left unpopulated, to see how much the program writes to it) is freed and purged, the library can
 * no longer tell if the program has written to the slot. So no pages of new slots are populated. */
Test(pool_populate, sampled_slot_may_be_purged)
{
    house_lay_default();
    char *slot = sampled_slot(B1M, 1 << 20, MOST);
    house_give(slot);
    cr_assert_gt(pool_trim(EVERYTHING), 0U);
    cr_assert_eq(take_asking(B1M, 1 << 20, 0), slot);
    take_asking(B1M, 1 << 20, 0);
}

Test(pool_populate, populated_pages_are_resident_and_zero)
{
    house_lay_default();
    grow(B64K, 65536, OF_64K);
    char *slot = take_asking(B64K, 65536, OF_64K);
    cr_assert_eq(pages_there(slot, OF_64K), OF_64K);
    cr_assert(slot[0] == 0 && memcmp(slot, slot + 1, 65535) == 0);
}

/* When the library checks which pages of a sampled slot are resident, it must not make any of them resident. */
Test(pool_populate, sampling_makes_no_page_resident)
{
    house_lay_default();
    char *slot = take_asking(B256K, 262144, 0);
    slot[3 * PAGE] = 'x';
    take_asking(B256K, 262144, 0);
    cr_assert_eq(pages_there(slot, 64), 1);
}

/* --- the kernel refuses --- */

/* The errors that a call to populate returns: EINVAL from a kernel that does not know the call, ENOMEM and EFAULT from
 * a kernel without memory, EPERM and ENOSYS from a seccomp filter. */
static int refusals[] = {EINVAL, ENOMEM, EFAULT, EPERM, ENOSYS};

ParameterizedTestParameters(pool_populate, refusal_does_no_harm)
{
    return cr_make_param_array(int, refusals, sizeof refusals / sizeof refusals[0]);
}

/* If the kernel refuses to populate a slot, the program can still use the slot. The slot's pages then come by page
 * faults, and no message is printed. */
ParameterizedTest(int *refusal, pool_populate, refusal_does_no_harm)
{
    house_lay_default();
    grow(B64K, 65536, OF_64K);
    asked.refusal = *refusal;
    capture_begin();
    errno = EDOM;
    char *slot = take_asking(B64K, 65536, OF_64K);
    cr_assert_eq(errno, EDOM);
    cr_assert_str_empty(capture_end());
    cr_assert_eq(pages_there(slot, OF_64K), 0);
    cr_assert(slot[0] == 0 && memcmp(slot, slot + 1, 65535) == 0);
    memset(slot, 'x', 65536);
    cr_assert_eq(pages_there(slot, OF_64K), OF_64K);
    house_give(slot);
    house_assert();
}

/* EINVAL means that the kernel does not know the call to populate, so the library does not make this call again. */
Test(pool_populate, old_kernel_is_asked_once)
{
    house_lay_default();
    grow(B64K, 65536, OF_64K);
    asked.refusal = EINVAL;
    take_asking(B64K, 65536, OF_64K);
    asked.refusal = 0;
    take_asking(B64K, 65536, 0);
}

/* If the kernel has refused to populate a slot because memory was short, the library tries again with later slots. */
Test(pool_populate, kernel_without_memory_is_asked_again)
{
    house_lay_default();
    grow(B64K, 65536, OF_64K);
    asked.refusal = ENOMEM;
    take_asking(B64K, 65536, OF_64K);
    take_asking(B64K, 65536, OF_64K);
    asked.refusal = 0;
    take_asking(B64K, 65536, OF_64K);
}
