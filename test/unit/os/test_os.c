/* Tests of os/os.c: what each of the kernel's calls for memory does to pages, and that errno stays unchanged. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "os/os_file.h"
#include "os/os_process.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/filter.h"
#include "support/tree.h"

enum { PAGES = 16, UNUSUAL = 4242 /* an errno that no call sets */ };

static char *page_at(char *start, size_t number)
{
    return start + number * os_page_size();
}

/* Returns how many pages of the range are resident. */
static size_t resident(const char *start, size_t count)
{
    unsigned char pages[OS_RESIDENCY_PAGES];
    size_t found = 0;
    cr_assert(os_residency(start, count * os_page_size(), pages));
    for (size_t i = 0; i < count; i++) {
        found += pages[i] & 1U;
    }
    return found;
}

static char *map_pages(size_t count)
{
    char *start = os_map(count * os_page_size());
    cr_assert_not_null(start);
    return start;
}

static void touch_by_reading(void *address)
{
    (void)*(volatile char *)address;
}

static void touch_by_writing(void *address)
{
    *(volatile char *)address = 1;
}

Test(os, page_size_is_the_kernels)
{
    cr_assert_eq(os_page_size(), (size_t)sysconf(_SC_PAGESIZE));
    cr_assert_eq(os_page_size(), os_page_size());
}

Test(os, rounds_up_to_pages)
{
    size_t page = os_page_size();
    cr_assert_eq(os_round_to_pages(0), 0);
    cr_assert_eq(os_round_to_pages(1), page);
    cr_assert_eq(os_round_to_pages(page - 1), page);
    cr_assert_eq(os_round_to_pages(page), page);
    cr_assert_eq(os_round_to_pages(page + 1), 2 * page);
    cr_assert_eq(os_round_to_pages((size_t)1 << 40), (size_t)1 << 40);
}

Test(os, mapped_pages_are_zero_and_can_be_written)
{
    char *start = map_pages(PAGES);
    cr_assert_eq((uintptr_t)start % os_page_size(), 0);
    for (size_t i = 0; i < PAGES * os_page_size(); i++) {
        cr_assert_eq(start[i], 0);
    }
    memset(start, 'x', PAGES * os_page_size());
}

Test(os, too_much_is_refused)
{
    errno = UNUSUAL;
    cr_assert_null(os_map(SIZE_MAX / 2 / os_page_size() * os_page_size()));
    cr_assert_null(os_find_free(SIZE_MAX / 2 / os_page_size() * os_page_size()));
    cr_assert_eq(errno, UNUSUAL);
}

/* Finds PAGES pages of free addresses, maps the first of them, and returns its address. */
static char *claim_first_page(void)
{
    char *start = os_find_free(PAGES * os_page_size());
    cr_assert_not_null(start);
    cr_assert(os_is_free(start, PAGES * os_page_size()));
    cr_assert(os_claim(start, os_page_size()));
    return start;
}

/* The kernel returns the same error in two cases: the machine has no addresses so high, or RLIMIT_AS does not allow so
 * long a mapping. In the first case os_is_free must return false. */
Test(os, addresses_that_the_machine_lacks_are_not_free)
{
    size_t most = SIZE_MAX / 2 / os_page_size() * os_page_size();
    cr_assert_not(os_is_free((char *)os_page_size(), most));
    cr_assert_not(os_is_free((char *)most, os_page_size()));
}

Test(os, claims_what_is_free_and_nothing_else)
{
    char *start = claim_first_page();
    *start = 'x';
    errno = UNUSUAL;
    cr_assert_not(os_claim(start, os_page_size()));
    cr_assert_not(os_is_free(start, os_page_size()));
    cr_assert_not(os_is_free(start, PAGES * os_page_size()));
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(*start, 'x', "the memory keeps its content");
    cr_assert(os_is_mapped(start));
    cr_assert_not(os_is_mapped(page_at(start, 1)));
    capture_fault(touch_by_reading, page_at(start, 1));
}

Test(os, extends_a_mapping_in_place)
{
    char *start = claim_first_page();
    *start = 'x';
    cr_assert(os_extend(page_at(start, 1), 3 * os_page_size()));
    cr_assert_eq(*start, 'x');
    cr_assert_eq(page_at(start, 4)[-1], 0);
    page_at(start, 4)[-1] = 'y';
    cr_assert_not(os_is_mapped(page_at(start, 4)));
    errno = UNUSUAL;
    cr_assert_not(os_extend(page_at(start, 1), os_page_size()), "the mapping does not end there any more");
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(page_at(start, 4)[-1], 'y');
    cr_assert(os_extend(page_at(start, 4), os_page_size()));
}

Test(os, extends_over_nothing_that_is_mapped)
{
    char *start = claim_first_page();
    cr_assert(os_claim(page_at(start, 2), os_page_size()));
    page_at(start, 2)[0] = 'x';
    cr_assert_not(os_extend(page_at(start, 1), 3 * os_page_size()));
    cr_assert_not(os_is_mapped(page_at(start, 1)), "nothing has changed");
    cr_assert_eq(page_at(start, 2)[0], 'x');
    cr_assert(os_extend(page_at(start, 1), os_page_size()), "the mapping can be extended up to the other one");
}

Test(os, break_is_where_the_heap_ends)
{
    char *before = os_break();
    cr_assert_eq(before, (char *)sbrk(0));
    cr_assert_neq(sbrk(4096), (void *)-1);
    cr_assert_eq(os_break(), before + 4096);
}

static void *pages_of_its_own(size_t count)
{
    char *start = map_pages(count);
    memset(start, 'x', count * os_page_size());
    return start;
}

Test(os, frozen_object_can_be_read_alone)
{
    char *object = pages_of_its_own(2);
    errno = UNUSUAL;
    cr_assert(os_freeze(object, 2 * os_page_size()));
    cr_assert_eq(errno, UNUSUAL);
    cr_assert(object[0] == 'x' && page_at(object, 2)[-1] == 'x');
    capture_fault(touch_by_writing, object);
    capture_fault(touch_by_writing, page_at(object, 2) - 1);
}

/* os_freeze makes an object read-only. It refuses an object that does not fill whole pages, because the other data in
 * the object's pages would become read-only too. */
Test(os, object_within_a_page_stays_writable)
{
    char *object = pages_of_its_own(3);
    cr_assert_not(os_freeze(object + 64, os_page_size()));
    cr_assert_not(os_freeze(object, os_page_size() + 64));
    memset(object, 'y', 3 * os_page_size());
}

Test(os, refusals_keep_errno)
{
    char *start = map_pages(PAGES);
    unsigned char answer;
    errno = UNUSUAL;
    cr_expect_not(os_extend(start + os_page_size(), os_page_size()), "a page is there already");
    cr_expect_eq(errno, UNUSUAL);
    munmap(start, PAGES * os_page_size());
    errno = UNUSUAL;
    cr_expect_not(os_discard(start, os_page_size()));
    cr_expect_not(os_residency(start, os_page_size(), &answer));
    os_name(start, os_page_size(), "sockmalloc:nothing");
    cr_expect_eq(errno, UNUSUAL);
}

Test(os, discarded_pages_read_as_zero)
{
    char *start = map_pages(PAGES);
    size_t page = os_page_size();
    memset(start, 'x', PAGES * page);
    errno = UNUSUAL;
    cr_assert(os_discard(page_at(start, 4), 8 * page));
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(resident(start, PAGES), 8);
    for (size_t i = 0; i < PAGES * page; i++) {
        cr_assert_eq(start[i], i / page >= 4 && i / page < 12 ? 0 : 'x', "byte %zu", i);
    }
}

/* Before Linux 5.18 the kernel refuses MADV_DONTNEED for locked pages, and the pages keep their content. os_discard
 * must then return false. */
Test(os, locked_pages_are_called_discarded_where_they_are)
{
    char *start = map_pages(PAGES);
    memset(start, 'x', os_page_size());
    cr_assert_eq(mlock(start, os_page_size()), 0);
    errno = UNUSUAL;
    bool discarded = os_discard(start, os_page_size());
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(start[0], discarded ? 0 : 'x');
}

/* Touches pages at both ends of the piece of memory that one mincore call covers, and at odd places between. */
Test(os, residency_tells_touched_pages)
{
    enum { BEFORE = 100, BEHIND = 1000, ALL = BEFORE + OS_RESIDENCY_PAGES + BEHIND };
    static const size_t touched[] = {0, 1, 511, 512, 1021, 1022, 1023};
    char *start = map_pages(ALL);
    char *asked = page_at(start, BEFORE);
    size_t page = os_page_size();
    cr_assert_eq(madvise(start, ALL * page, MADV_NOHUGEPAGE), 0);
    memset(start, 1, BEFORE * page);
    memset(page_at(asked, OS_RESIDENCY_PAGES), 1, BEHIND * page);
    cr_assert_eq(resident(asked, OS_RESIDENCY_PAGES), 0);
    for (size_t i = 0; i < sizeof touched / sizeof touched[0]; i++) {
        page_at(asked, touched[i])[0] = 1;
        cr_assert_eq(resident(asked, OS_RESIDENCY_PAGES), i + 1);
        cr_assert_eq(resident(page_at(asked, touched[i]), 1), 1);
    }
    cr_assert_eq(resident(page_at(asked, 2), 509), 0);
    cr_assert_eq(resident(asked, 0), 0);
}

/* For pages that were never touched os_residency succeeds, and says that none is resident. */
Test(os, residency_of_untouched_pages_is_none)
{
    char *start = map_pages(PAGES);
    cr_assert_eq(resident(start, PAGES), 0);
}

Test(os, released_pages_are_nobodys)
{
    char *start = map_pages(PAGES);
    errno = UNUSUAL;
    cr_assert(os_release(start, PAGES * os_page_size()));
    cr_assert_eq(errno, UNUSUAL);
    cr_assert(os_is_free(start, PAGES * os_page_size()), "the addresses are free again");
}

Test(os, copies_what_is_mapped)
{
    char target[8] = "";
    errno = UNUSUAL;
    cr_assert(os_copy(target, "leaked", 7));
    cr_assert_str_eq(target, "leaked");
    cr_assert(os_copy(target, NULL, 0), "copying 0 bytes succeeds from any address");
    cr_assert_eq(errno, UNUSUAL);
}

/* os_copy copies all bytes, or none if a part of the source cannot be read. */
Test(os, copies_nothing_that_would_fault)
{
    char target[8] = "";
    char *start = map_pages(PAGES);
    cr_assert_eq(mprotect(page_at(start, 1), (PAGES - 1) * os_page_size(), PROT_NONE), 0);
    errno = UNUSUAL;
    cr_assert(os_copy(target, page_at(start, 1) - 8, 8));
    cr_assert_not(os_copy(target, page_at(start, 1) - 7, 8));
    cr_assert_not(os_copy(target, page_at(start, 1), 1));
    os_release(start, PAGES * os_page_size());
    cr_assert_not(os_copy(target, start, 1));
    cr_assert_not(os_copy(target, NULL, 1));
    cr_assert_eq(errno, UNUSUAL);
}

/* If the library knows of a seccomp filter, it makes only system calls that most servers need. It makes no others, even
 * if this filter would allow them. */
static void work_under_a_filter(void *argument)
{
    char here = 'h';
    char there = 't';
    unsigned char page;
    (void)argument;
    CHECK(!os_is_filtered());
    filter_call(SYS_mincore, SECCOMP_RET_KILL_PROCESS);
    filter_call(SYS_process_vm_readv, SECCOMP_RET_KILL_PROCESS);
    filter_call(SYS_process_madvise, SECCOMP_RET_KILL_PROCESS);
    filter_call(SYS_prctl, SECCOMP_RET_KILL_PROCESS);
    const struct span two[] = {{map_pages(1), os_page_size()}, {map_pages(1), os_page_size()}};
    os_add_filter();
    errno = UNUSUAL;
    CHECK(os_is_filtered());
    CHECK(!os_residency(map_pages(1), os_page_size(), &page));
    CHECK(!os_copy(&there, &here, 1) && there == 't');
    CHECK(!os_discards_together() && os_discard_together(two, 2) == 0);
    os_name_thread("nobody");
    os_name(map_pages(1), os_page_size(), "nothing");
    CHECK(errno == UNUSUAL);
}

Test(os, calls_nothing_rare_behind_a_filter)
{
    capture_clean(work_under_a_filter, NULL);
}

Test(os, filters_are_counted)
{
    cr_assert_not(os_is_filtered());
    os_add_filter();
    os_add_filter();
    os_drop_filter();
    cr_assert(os_is_filtered());
    os_drop_filter();
    cr_assert_not(os_is_filtered());
}

static char *touched_page(void)
{
    char *page = map_pages(1);
    *page = 'x';
    return page;
}

static void discard_where_it_does_nothing(void *argument)
{
    (void)argument;
    CHECK(os_discard_clears());
    /* a filter that returns the error number 0 makes madvise return success without doing anything */
    filter_call(SYS_madvise, SECCOMP_RET_ERRNO);
    errno = UNUSUAL;
    os_try_discard(map_pages(1));
    CHECK(errno == UNUSUAL);
    CHECK(!os_discard_clears());
    char *page = touched_page();
    CHECK(!os_discard(page, os_page_size()) && *page == 'x');
}

Test(os, discard_that_does_nothing_is_found_by_its_effect)
{
    capture_clean(discard_where_it_does_nothing, NULL);
}

static void discard_where_it_is_refused(void *argument)
{
    (void)argument;
    filter_call(SYS_madvise, SECCOMP_RET_ERRNO | EPERM);
    os_try_discard(map_pages(1));
    /* os_discard_clears returns false only if a discard that seemed to succeed has left the old content. A refused
     * discard is another case: os_discard_clears still returns true, and os_discard returns false. */
    CHECK(os_discard_clears());
    CHECK(!os_discard(touched_page(), os_page_size()));
}

Test(os, discard_that_is_refused_is_no_lie)
{
    capture_clean(discard_where_it_is_refused, NULL);
}

Test(os, discard_that_works_is_believed)
{
    os_try_discard(map_pages(1));
    cr_assert(os_discard_clears());
    char *page = touched_page();
    cr_assert(os_discard(page, os_page_size()));
    cr_assert_eq(*page, 0);
}

/* One call discards the pages of three ranges, and leaves the pages between them. */
Test(os, ranges_are_discarded_together)
{
    char *start = map_pages(PAGES);
    size_t page = os_page_size();
    const struct span ranges[] = {{page_at(start, 5), page}, {page_at(start, 1), 2 * page}, {page_at(start, 8), page}};
    memset(start, 'x', PAGES * page);
    errno = UNUSUAL;
    if (!os_discards_together()) {
        cr_assert_eq(os_discard_together(ranges, 3), 0U);
        cr_skip_test("this kernel discards one range a call");
    }
    cr_assert_eq(os_discard_together(ranges, 3), 3U);
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(resident(start, PAGES), PAGES - 4);
    for (size_t i = 0; i < PAGES * page; i++) {
        size_t number = i / page;
        bool gone = number == 1 || number == 2 || number == 5 || number == 8;
        cr_assert_eq(start[i], gone ? 0 : 'x', "byte %zu", i);
    }
}

/* The kernel refuses a range that is not mapped. It discards the ranges before that one, and not those behind it. */
Test(os, ranges_before_a_refused_one_are_discarded)
{
    char *start = map_pages(PAGES);
    size_t page = os_page_size();
    const struct span ranges[] = {{page_at(start, 0), page}, {page_at(start, 4), page}, {page_at(start, 8), page}};
    memset(start, 'x', PAGES * page);
    munmap(page_at(start, 4), page);
    errno = UNUSUAL;
    cr_assert_eq(os_discard_together(ranges + 1, 2), 0U);
    if (!os_discards_together()) {
        cr_skip_test("this kernel discards one range a call");
    }
    cr_assert_eq(os_discard_together(ranges, 3), 1U);
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(*start, 0);
    cr_assert_eq(*page_at(start, 8), 'x');
}

/* An emulator of the kernel may return success from process_madvise without doing anything. os_discard_together must
 * notice that and discard nothing. */
static void discard_together_where_it_does_nothing(void *argument)
{
    const struct span two[] = {{touched_page(), os_page_size()}, {touched_page(), os_page_size()}};
    (void)argument;
    filter_call(SYS_process_madvise, SECCOMP_RET_ERRNO);
    CHECK(!os_discards_together() && os_discard_together(two, 2) == 0);
}

Test(os, discarding_together_that_does_nothing_is_found_by_its_effect)
{
    capture_clean(discard_together_where_it_does_nothing, NULL);
}

static void *say_thread(void *number)
{
    *(pid_t *)number = os_thread();
    cr_assert_eq(os_thread(), gettid());
    return NULL;
}

Test(os, thread_is_known_without_a_call)
{
    pid_t number;
    pthread_t thread;
    cr_assert_eq(os_thread(), getpid());
    cr_assert_eq(pthread_create(&thread, NULL, say_thread, &number), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_neq(number, getpid());
    pid_t child = fork();
    if (child == 0) {
        _exit(os_thread() == getpid() ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

static const char *root_of_tree;

static void read_file_of_tree(const char *name, char *text, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root_of_tree, name);
    memset(text, 'x', size);
    errno = UNUSUAL;
    os_read_file(path, text, size);
    cr_assert_eq(errno, UNUSUAL);
}

Test(os, reads_a_file_as_far_as_it_fits)
{
    char text[6];
    root_of_tree = tree_open();
    tree_write("/four", "four");
    tree_write("/seventeen", "seventeen");
    tree_write("/empty", "");
    read_file_of_tree("four", text, sizeof text);
    cr_expect_str_eq(text, "four");
    read_file_of_tree("seventeen", text, sizeof text);
    cr_expect_str_eq(text, "seven");
    read_file_of_tree("empty", text, sizeof text);
    cr_expect_str_eq(text, "");
    read_file_of_tree("nowhere", text, sizeof text);
    cr_expect_str_eq(text, "");
    read_file_of_tree(".", text, sizeof text);
    cr_expect_str_eq(text, "", "a directory");
    tree_close();
}

static bool maps_has(const char *word)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    cr_assert_not_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        found = found || strstr(line, word) != NULL;
    }
    fclose(maps);
    return found;
}

/* If the kernel cannot name mappings (before Linux 5.17, or built without that), the test only checks that os_name does
 * no harm. */
Test(os, names_a_mapping_where_the_kernel_can)
{
    char *start = map_pages(PAGES);
    char *probe = map_pages(PAGES);
    bool can = prctl(0x53564d41 /* PR_SET_VMA */, 0, probe, os_page_size(), "probe") == 0;
    errno = UNUSUAL;
    os_name(start, PAGES * os_page_size(), "sockmalloc:test");
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(maps_has("[anon:sockmalloc:test]"), can);
}

Test(os, files_tell_their_errors_and_keep_errno)
{
    char byte = 0;
    int ends[2];
    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    errno = UNUSUAL;
    cr_expect_eq(os_open("/nowhere/at/all", O_RDONLY, 0), -ENOENT);
    cr_expect_eq(os_read(ends[0], &byte, 1), -EAGAIN);
    cr_expect_eq(os_write(ends[0], &byte, 1), -EBADF);
    cr_expect(os_await_writable(ends[1], 0));
    cr_expect_eq(os_write(ends[1], "b", 1), 1);
    cr_expect_eq(os_read(ends[0], &byte, 1), 1);
    cr_expect_eq(byte, 'b');
    while (os_write(ends[1], "b", 1) == 1) {
    }
    cr_expect_not(os_await_writable(ends[1], 1));
    os_close(ends[0]);
    os_close(ends[1]);
    cr_expect_eq(os_write(ends[1], "b", 1), -EBADF);
    cr_expect_eq(errno, UNUSUAL);
}

Test(os, takes_a_pending_signal_or_none)
{
    sigset_t signals;
    sigset_t pending;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR2);
    cr_assert_eq(sigprocmask(SIG_BLOCK, &signals, NULL), 0);
    cr_assert_eq(raise(SIGUSR2), 0);
    errno = UNUSUAL;
    os_take_signal(&signals);
    os_take_signal(&signals);
    cr_expect_eq(errno, UNUSUAL);
    cr_assert_eq(sigpending(&pending), 0);
    cr_expect_not(sigismember(&pending, SIGUSR2));
}

static size_t charge_under(int resource, rlim_t limit)
{
    CHECK(setrlimit((__rlimit_resource_t)resource, &(struct rlimit){limit, RLIM_INFINITY}) == 0);
    errno = UNUSUAL;
    size_t charge = os_charge_limit();
    CHECK(errno == UNUSUAL);
    CHECK(setrlimit((__rlimit_resource_t)resource, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}) == 0);
    return charge;
}

static void charge_under_limits(void *argument)
{
    (void)argument;
    char policy[8];
    os_read_file("/proc/sys/vm/overcommit_memory", policy, sizeof policy);
    size_t most = charge_under(RLIMIT_AS, RLIM_INFINITY);
    CHECK(policy[0] == '2' ? most < SIZE_MAX && most > 1 << 20 : most == SIZE_MAX);
    CHECK(charge_under(RLIMIT_AS, (rlim_t)512 << 20) == (size_t)512 << 20);
    CHECK(charge_under(RLIMIT_DATA, (rlim_t)256 << 20) == (size_t)256 << 20);
}

Test(os, memory_is_charged_under_limits)
{
    struct rlimit limit;
    cr_assert(getrlimit(RLIMIT_AS, &limit) == 0 && getrlimit(RLIMIT_DATA, &limit) == 0);
    capture_clean(charge_under_limits, NULL);
}
