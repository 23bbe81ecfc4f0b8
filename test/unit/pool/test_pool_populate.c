/* Tests of populating: which pages are requested before they are touched, and what happens if the kernel has no
 * memory or no such call. */
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

/* One call of madvise populates at most MOST pages. Such a call is made for each of the AHEAD slots after a sampled
 * slot. */
enum { PAGE = 4096, MOST = 256, AHEAD = 15, OF_64K = 16, EVERYTHING = 1 << 30 };

/* Holds the last range that the kernel was asked to populate, the number of calls, and the simulated kernel's answer: 0
 * or an error number. */
static struct {
    unsigned calls;
    char *start;
    size_t size;
    int refusal;
} asked;

/* Does what MADV_POPULATE_WRITE would do, even if the kernel does not have it. */
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

/* Disables huge pages, because one touched byte would make a whole huge page resident. */
static void prepare(void)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    advice_answer(populate);
}

TestSuite(pool_populate, .init = prepare);

/* Allocates a slot, and checks that its first `pages` pages were populated. If `pages` is 0, checks that no call was
 * made. */
static char *take_asking(unsigned bucket, size_t request, unsigned pages)
{
    asked.calls = 0;
    char *slot = house_take(bucket, request, NULL);
    cr_assert_not_null(slot);
    cr_assert_eq(asked.calls, pages > 0 ? 1U : 0U);
    cr_assert(pages == 0 || (asked.start == slot && asked.size == (size_t)pages * PAGE));
    return slot;
}

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

/* Allocates a new slot for which no page is populated, and writes to its first `written` pages. */
static char *sampled_slot(unsigned bucket, size_t request, unsigned written)
{
    char *slot = take_asking(bucket, request, 0);
    memset(slot, 'x', (size_t)written * PAGE);
    return slot;
}

/* Makes two sampled slots, after which the bucket's new slots are expected to be written to in `written` pages. */
static void grow(unsigned bucket, size_t request, unsigned written)
{
    sampled_slot(bucket, request, written);
    sampled_slot(bucket, request, written);
}

/* --- which pages are populated --- */

/* The second slot finds that the first one was written to, so the next fifteen slots are populated. The slot after them
 * is a sample again. */
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

/* A slot that is larger than MOST pages is populated in part, and a small request gets no more than its own pages. */
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

/* A program may request 256 KiB, and read only 1,500 bytes or a part of the buffer into them. */
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

/* Allocates `count` slots, and checks that `pages` pages of each are populated. */
static void take_growing(unsigned bucket, size_t request, unsigned count, unsigned pages)
{
    for (unsigned i = 0; i < count; i++) {
        take_asking(bucket, request, pages);
    }
}

/* Allocates slots of 64 KiB that are not written to, after others that were, until none gets pages in advance. The next
 * slot that is allocated checks the sampled slot. */
static void take_until_doubted(void)
{
    take_growing(B64K, 65536, AHEAD, OF_64K);
    take_asking(B64K, 65536, 0);
    take_growing(B64K, 65536, AHEAD, OF_64K);
    for (unsigned trusted = MOST / 2; trusted >= 2; trusted /= 2) {
        take_growing(B64K, 65536, 1 + AHEAD, trusted < OF_64K ? trusted : OF_64K);
    }
}

/* The program wrote to earlier slots and does not write to these. A sampled slot may still be filled later, so it is
 * checked again and again, and after each check half as many pages are populated. */
Test(pool_populate, populated_part_follows_the_program)
{
    house_lay_default();
    grow(B64K, 65536, OF_64K);
    take_until_doubted();
    grow(B64K, 65536, OF_64K);
    take_asking(B64K, 65536, OF_64K);
}

/* While sampled slots stay empty, they are checked by the 2nd, 4th, 8th, 16th and 32nd new slot, and then by every
 * 16th. */
Test(pool_populate, empty_slots_are_looked_at_more_and_more_rarely)
{
    enum { LOOK = 2 * (1 + AHEAD) };
    house_lay_default();
    take_growing(B64K, 65536, LOOK - 1, 0);
    for (unsigned i = 0; i <= AHEAD; i++) {
        sampled_slot(B64K, 65536, OF_64K);
    }
    /* this slot has checked the sampled slot, and becomes the next sampled slot itself */
    sampled_slot(B64K, 65536, OF_64K);
    take_asking(B64K, 65536, OF_64K);
}

/*
 * Until the sampled slot is checked again, no new slot gets pages, although the program fills the slots that it gets.
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

/* A server may allocate buffers for all of its clients before it fills the first one. So an unwritten sampled slot that
 * is still live does not stop populating. */
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

/* A sampled slot that was freed unwritten cannot be written to any more, so it counts at once as unused. */
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

/* A page fault costs no more than a call that populates a single page, so no call is made for a single page. */
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

/* Slots whose pages are resident come by the fast path, and by the slow path that exchanges magazines. Neither makes a
 * call to populate them. */
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

/* A slot that was freed and then purged no longer shows whether the program had written to it. If such a slot was being
 * sampled, new slots get no pages in advance. */
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

/* Checking a sampled slot must not make its pages resident. */
Test(pool_populate, sampling_makes_no_page_resident)
{
    house_lay_default();
    char *slot = take_asking(B256K, 262144, 0);
    slot[3 * PAGE] = 'x';
    take_asking(B256K, 262144, 0);
    cr_assert_eq(pages_there(slot, 64), 1);
}

/* --- the kernel refuses --- */

/* the errors of a kernel that lacks the call, of a kernel without memory, and of a seccomp filter */
static int refusals[] = {EINVAL, ENOMEM, EFAULT, EPERM, ENOSYS};

ParameterizedTestParameters(pool_populate, refusal_does_no_harm)
{
    return cr_make_param_array(int, refusals, sizeof refusals / sizeof refusals[0]);
}

/* The slot can be used all the same, its pages come one by one by page faults, and no message is printed. */
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

Test(pool_populate, old_kernel_is_asked_once)
{
    house_lay_default();
    grow(B64K, 65536, OF_64K);
    asked.refusal = EINVAL;
    take_asking(B64K, 65536, OF_64K);
    asked.refusal = 0;
    take_asking(B64K, 65536, 0);
}

/* After a refusal for lack of memory, the library makes the call for later slots again. */
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
