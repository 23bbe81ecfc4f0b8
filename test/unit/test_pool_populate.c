/* The pool room's populating: which pages are asked for before they are touched, and what is done
 * where the kernel has none, or no such call. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture.h"
#include "house.h"
#include "os.h"
#include "pool.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* MOST pages are asked for at once. SMOOTH are enough samples for a bucket's habit to be known. */
enum { PAGE = 4096, MOST = 16, SMOOTH = 100, EVERYTHING = 1 << 30 };

/* What the kernel was last asked to populate, how often, and what it says: 0, or an errno. */
static struct {
    unsigned calls;
    char *start;
    size_t size;
    int refusal;
} asked;

/* Does what the kernel would, if it has that call. */
static int populate(char *start, size_t size)
{
    asked.calls++;
    asked.start = start;
    asked.size = size;
    if (asked.refusal != 0) {
        errno = asked.refusal;
        return -1;
    }
    for (size_t i = 0; i < size; i += PAGE) {
        *(volatile char *)(start + i) = 0;
    }
    return 0;
}

/* In place of libc's, for the rooms and for all else in this program. */
int madvise(void *start, size_t size, int advice)
{
    return advice == MADV_POPULATE_WRITE ? populate(start, size)
                                         : (int)syscall(SYS_madvise, start, size, advice);
}

/* A huge page would be there as a whole, by the first byte. */
static void forbid_huge_pages(void)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

TestSuite(pool_populate, .init = forbid_huge_pages);

/* A slot, and that so many pages of it were asked for, from its start on: 0 for no call. */
static char *take_asking(unsigned bucket, size_t request, unsigned pages)
{
    asked.calls = 0;
    char *slot = house_take(bucket, request, NULL);
    cr_assert_not_null(slot);
    cr_assert_eq(asked.calls, pages > 0 ? 1U : 0U);
    cr_assert(pages == 0 || (asked.start == slot && asked.size == (size_t)pages * PAGE));
    return slot;
}

/* The pages that a bucket's next new slot would be asked for. */
static unsigned pages_asked(unsigned bucket, size_t request)
{
    asked.calls = 0;
    asked.size = 0;
    cr_assert_not_null(house_take(bucket, request, NULL));
    return (unsigned)(asked.size / PAGE);
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

Test(pool_populate, new_slot_gets_the_pages_of_its_request)
{
    house_lay_default();
    take_asking(B32K, 7 * PAGE, 7);
    take_asking(B32K, 7 * PAGE - 1, 7);
    take_asking(B32K, 7 * PAGE + 1, 8);
}

Test(pool_populate, new_slot_gets_a_few_pages_at_most)
{
    house_lay_default();
    take_asking(B64K, MOST * PAGE, MOST);
    take_asking(B128K, (MOST + 1) * PAGE, MOST);
    take_asking(B4M, 4 << 20, MOST);
}

/* A fault costs no more than the call. */
Test(pool_populate, single_page_is_not_asked_for)
{
    house_lay_default();
    take_asking(B4K, PAGE, 0);
    take_asking(B4K, PAGE + 1, 2);
}

/* By the fast paths, and by the slow ones that exchange magazines. */
Test(pool_populate, slot_that_has_its_pages_is_left_alone)
{
    enum { MANY = 200 };
    static void *taken[MANY];
    house_lay_default();
    house_give(take_asking(B1M, 1 << 20, MOST));
    take_asking(B1M, 1 << 20, 0);
    for (unsigned i = 0; i < MANY; i++) {
        taken[i] = take_asking(B64K, 65536, MOST);
    }
    for (unsigned i = 0; i < MANY; i++) {
        house_give(taken[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        take_asking(B64K, 65536, 0);
    }
}

Test(pool_populate, purged_slot_is_as_a_new_one)
{
    house_lay_default();
    char *slot = take_asking(B1M, 1 << 20, MOST);
    memset(slot, 'x', MOST * PAGE);
    house_give(slot);
    cr_assert_gt(pool_trim(EVERYTHING), 0U);
    cr_assert_eq(take_asking(B1M, 1 << 20, MOST), slot);
}

Test(pool_populate, what_is_populated_is_there_and_zero)
{
    house_lay_default();
    char *slot = take_asking(B64K, MOST * PAGE, MOST);
    cr_assert_eq(pages_there(slot, MOST), MOST);
    cr_assert(slot[0] == 0 && memcmp(slot, slot + 1, MOST * PAGE - 1) == 0);
}

/* --- refusals ----------------------------------------------------------------------------------
 */

/* Of an old kernel, of one without memory, and of a filter. */
static int refusals[] = {EINVAL, ENOMEM, EFAULT, EPERM, ENOSYS};

ParameterizedTestParameters(pool_populate, refusal_is_nobodys_concern)
{
    return cr_make_param_array(int, refusals, sizeof refusals / sizeof refusals[0]);
}

/* The slot is good all the same, its pages come one by one, and nothing is said. */
ParameterizedTest(int *refusal, pool_populate, refusal_is_nobodys_concern)
{
    house_lay_default();
    asked.refusal = *refusal;
    capture_begin();
    errno = EDOM;
    char *slot = take_asking(B64K, MOST * PAGE, MOST);
    cr_assert_eq(errno, EDOM);
    cr_assert_str_empty(capture_end());
    cr_assert_eq(pages_there(slot, MOST), 0);
    cr_assert(slot[0] == 0 && memcmp(slot, slot + 1, MOST * PAGE - 1) == 0);
    memset(slot, 'x', MOST * PAGE);
    cr_assert_eq(pages_there(slot, MOST), MOST);
    house_give(slot);
    house_assert();
}

Test(pool_populate, kernel_that_knows_no_such_call_is_asked_once)
{
    house_lay_default();
    asked.refusal = EINVAL;
    take_asking(B64K, 65536, MOST);
    asked.refusal = 0;
    take_asking(B64K, 65536, 0);
    take_asking(B1M, 1 << 20, 0);
}

/* Memory may come back. */
Test(pool_populate, kernel_without_memory_is_asked_again)
{
    house_lay_default();
    asked.refusal = ENOMEM;
    take_asking(B64K, 65536, MOST);
    take_asking(B64K, 65536, MOST);
    asked.refusal = 0;
    take_asking(B64K, 65536, MOST);
}

/* --- habits ------------------------------------------------------------------------------------
 */

/* A bucket's slot whose program writes to its first few pages alone, time and again. */
static void write_to(unsigned bucket, size_t request, unsigned pages, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        char *slot = house_take(bucket, request, NULL);
        cr_assert_not_null(slot);
        memset(slot, 'x', (size_t)pages * PAGE);
        house_give(slot);
        pool_drain(); /* from the thread's magazine, too */
        cr_assert_gt(pool_trim(EVERYTHING), 0U);
    }
}

/* A reader asks for 64 or 256 KiB and gets 1,500 bytes. */
Test(pool_populate, what_is_never_written_to_is_no_more_asked_for)
{
    house_lay_default();
    cr_assert_eq(pages_asked(B64K, 65536), MOST);
    write_to(B64K, 65536, 1, 1);
    unsigned first = pages_asked(B64K, 65536);
    cr_assert(first < MOST && first > MOST / 2, "one sample says little: %u", first);
    cr_assert_eq(pages_asked(B256K, 262144), MOST);
    write_to(B256K, 262144, 1, SMOOTH);
    cr_assert_eq(pages_asked(B256K, 262144), 0);
    cr_assert_eq(pages_asked(B128K, 131072), MOST, "other buckets have their own habits");
}

Test(pool_populate, half_of_the_pages_is_asked_for_where_half_is_written_to)
{
    house_lay_default();
    write_to(B256K, 262144, MOST / 2, SMOOTH);
    unsigned pages = pages_asked(B256K, 262144);
    cr_assert_eq(pages, MOST / 2);
}

/* Pages that are not asked for, and written to: the bucket has changed its habits. */
Test(pool_populate, what_is_written_to_after_all_is_asked_for_again)
{
    house_lay_default();
    write_to(B256K, 262144, 1, SMOOTH);
    cr_assert_eq(pages_asked(B256K, 262144), 0);
    write_to(B256K, 262144, MOST, SMOOTH);
    cr_assert_eq(pages_asked(B256K, 262144), MOST);
}

/* --- a lane that grows -------------------------------------------------------------------------
 */

enum { PAGES_OF_1M = 256, AHEAD_SLOTS = 7 };

/* The pages that new slots of 1 MiB are asked for, one after the other, each being written to. */
static void expect_growth(unsigned count, const unsigned *pages)
{
    for (unsigned i = 0; i < count; i++) {
        char *slot = take_asking(B1M, 1 << 20, pages[i]);
        memset(slot, 'x', 1 << 20);
    }
}

/* The second slot finds the first one written to; after seven more, one is looked at again. */
Test(pool_populate, growing_lane_gets_all_pages_at_once)
{
    static const unsigned pages[] = {MOST, MOST, 256, 256, 256, 256, 256, 256, 256, MOST, 256, 256};
    house_lay_default();
    expect_growth(sizeof pages / sizeof pages[0], pages);
}

Test(pool_populate, growing_lane_whose_slots_are_not_written_to_gets_few)
{
    house_lay_default();
    for (unsigned i = 0; i < 2 * AHEAD_SLOTS; i++) {
        char *slot = take_asking(B1M, 1 << 20, MOST);
        memset(slot, 'x', (1 << 20) - 2 * PAGE);
    }
}

/* The slots before them were written to, these are not: after seven it is seen. */
Test(pool_populate, growing_lane_whose_slots_are_no_longer_written_to_gets_few_again)
{
    static const unsigned pages[] = {MOST, MOST, 256, 256, 256, 256, 256, 256, 256};
    house_lay_default();
    expect_growth(sizeof pages / sizeof pages[0], pages);
    take_asking(B1M, 1 << 20, MOST);
    for (unsigned i = 0; i < AHEAD_SLOTS; i++) {
        take_asking(B1M, 1 << 20, PAGES_OF_1M);
    }
    for (unsigned i = 0; i < 2 * AHEAD_SLOTS; i++) {
        take_asking(B1M, 1 << 20, MOST);
    }
}

/* A mebibyte in one call is the most. */
Test(pool_populate, growing_lane_of_larger_slots_gets_a_part_at_once)
{
    house_lay_default();
    for (unsigned i = 0; i < 2; i++) {
        memset(take_asking(B4M, 4 << 20, MOST), 'x', 4 << 20);
    }
    take_asking(B4M, 4 << 20, PAGES_OF_1M);
}

/* To look must not bring what was never there. */
Test(pool_populate, looking_brings_no_pages)
{
    house_lay_default();
    asked.refusal = ENOMEM;
    char *slot = take_asking(B256K, 262144, MOST);
    slot[3 * PAGE] = 'x';
    house_give(slot);
    pool_learn_touched(B256K, lane_number(B256K, slot));
    cr_assert_eq(pages_there(slot, MOST), 1);
}
