/* Tests of statistics/in_use_report.c, the list in which a person reads, line by line, which function has allocated
 * which slots. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/message.h"
#include "memory/region.h"
#include "os/os.h"
#include "os/os_file.h"
#include "pool/in_use.h"
#include "pool/in_use_list.h"
#include "pool/pool.h"
#include "statistics/in_use_report.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"

enum { MANY = 3000, TEXT_SIZE = 1 << 20, LINES = 2 * MANY, UNUSUAL = 4242 /* an errno that no call sets */ };

static char text[TEXT_SIZE];
static char *lines[LINES];
static unsigned line_count;

/* The addresses of the callers lie in memory that is mapped from no file, so the report must print them as plain
 * addresses. */
static char *callers;

static void lay_house(void)
{
    message_open();
    callers = os_map(os_page_size());
    house_pools.kind = KIND_STANDARD;
    house_pools.free_list = 10000;
    house_notes_use = true;
    house_lay_default();
}

static void *take_at(unsigned bucket, size_t request, const void *caller, uint64_t taken_at)
{
    void *slot = house_take(bucket, request, NULL);
    in_use_note_at(region_number(slot), caller, taken_at);
    return slot;
}

/* Reads the report from the file and cuts it into lines. Each line must end with a newline. */
static void split(int file)
{
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    cr_assert(length >= 0 && (size_t)length < sizeof text - 1);
    text[length] = '\0';
    line_count = 0;
    for (char *at = text; *at != '\0';) {
        char *end = strchr(at, '\n');
        cr_assert(end != NULL && line_count < LINES, "a line without an end: %s", at);
        lines[line_count++] = at;
        *end = '\0';
        at = end + 1;
    }
}

static void write_report(void)
{
    int file = memfd_create("report", MFD_CLOEXEC);
    errno = UNUSUAL;
    cr_assert(in_use_report_write(&house_plan, file));
    cr_assert_eq(errno, UNUSUAL);
    split(file);
    close(file);
}

static const char *expected(const char *format, ...)
{
    static char buffer[512];
    va_list list;
    va_start(list, format);
    vsnprintf(buffer, sizeof buffer, format, list);
    va_end(list);
    return buffer;
}

static void expect_begin(void)
{
    cr_assert_str_eq(lines[0], expected("sockmalloc %s: in use by %s, process %d: by caller, the "
                                        "oldest first",
                                        PACKAGE_VERSION, message_process_name(), (int)getpid()));
}

static void expect_end(unsigned long slots_listed, unsigned long bytes, unsigned callers_listed)
{
    cr_assert_str_eq(lines[line_count - 1],
                     expected("end of what is in use by process %d: slots %lu, bytes %lu, callers %u", (int)getpid(),
                              slots_listed, bytes, callers_listed));
}

Test(in_use_report, is_empty_without_notes)
{
    house_lay_default();
    cr_assert_not_null(house_take(B16K, 16384, NULL));
    write_report();
    cr_assert_eq(line_count, 0);
    cr_assert(in_use_report_write(&house_plan, -1));
}

Test(in_use_report, of_nothing)
{
    lay_house();
    house_give(take_at(B16K, 16384, callers, 1));
    write_report();
    cr_assert_eq(line_count, 2);
    expect_begin();
    expect_end(0, 0, 0);
}

/* The program's name is its own choice. It must begin no line of the list. */
Test(in_use_report, shows_control_characters_of_the_name)
{
    static char name[] = "a\nby b";
    program_invocation_short_name = name;
    lay_house();
    write_report();
    cr_assert_eq(line_count, 2);
    cr_assert_not_null(strstr(lines[0], "in use by a\\x0aby b, process "));
}

/* Returns a time in the future, which is later for a larger `order`. The age of a slot that was allocated in the future
 * is printed as zero, so the report is the same in every run. */
static uint64_t later(unsigned order)
{
    return in_use_now() + UINT64_C(3600000000000) + order;
}

Test(in_use_report, a_caller_is_followed_by_its_slots)
{
    lay_house();
    void *a = take_at(B16K, 16390, callers + 2, later(0));
    void *b = take_at(B256K, 262177, callers + 1, later(1));
    void *c = take_at(B4M, 4194304, callers + 2, later(2));
    write_report();
    cr_assert_eq(line_count, 7);
    expect_begin();
    cr_assert_str_eq(lines[1], expected("by %p: slots 2, bytes 4210694, oldest 0.000 s", callers + 2));
    cr_assert_str_eq(lines[2], expected("  %p  16k         16390 bytes         0.000 s", a));
    cr_assert_str_eq(lines[3], expected("  %p  4m        4194304 bytes         0.000 s", c));
    cr_assert_str_eq(lines[4], expected("by %p: slots 1, bytes 262177, oldest 0.000 s", callers + 1));
    cr_assert_str_eq(lines[5], expected("  %p  256k       262177 bytes         0.000 s", b));
    expect_end(3, 4210694 + 262177, 2);
}

Test(in_use_report, shows_what_is_unknown)
{
    lay_house();
    void *slot = take_at(B16K, 16384, NULL, 0);
    write_report();
    cr_assert_eq(line_count, 4);
    cr_assert_str_eq(lines[1], "by an unknown caller: slots 1, bytes 16384, oldest unknown");
    cr_assert_str_eq(lines[2], expected("  %p  16k         16384 bytes         unknown", slot));
}

Test(in_use_report, names_the_function)
{
    lay_house();
    take_at(B16K, 16384, (const char *)qsort + 1, later(0));
    write_report();
    cr_assert_str_eq(lines[1], "by libc.so.6(qsort+0x1): slots 1, bytes 16384, oldest 0.000 s");
}

/* Returns the age that a line of the report shows, in thousandths of a second. */
static uint64_t printed_age(const char *line)
{
    unsigned long seconds;
    unsigned long thousandths;
    char digits[8] = "";
    const char *word = strstr(line, "oldest ");
    cr_assert_eq(sscanf(word, "oldest %lu.%7[0-9] s", &seconds, digits), 2, "%s", line);
    cr_assert_eq(strlen(digits), 3);
    cr_assert_eq(sscanf(digits, "%lu", &thousandths), 1);
    return seconds * 1000 + thousandths;
}

Test(in_use_report, ages_are_seconds_and_thousandths)
{
    lay_house();
    const uint64_t since_boot = in_use_now() / 1000000 - 1;
    const uint64_t ages[] = {0, 4, 1050, 1999, since_boot};
    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        uint64_t taken_at = in_use_now() - ages[i] * 1000000;
        void *slot = take_at(B16K, 16384, callers, taken_at);
        write_report();
        uint64_t printed = printed_age(lines[1]);
        cr_assert_geq(printed, ages[i]);
        cr_assert_leq(printed, (in_use_now() - taken_at) / 1000000);
        house_give(slot);
    }
}

static uint64_t take_many(void)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < MANY; i++) {
        take_at(B4K, 4096 + i % 1000, callers + i % 7, later(i));
        bytes += 4096 + i % 1000;
    }
    return bytes;
}

/* The report is longer than any buffer of the library. Each slot must have its line, and each line must be whole. */
Test(in_use_report, of_many)
{
    lay_house();
    uint64_t bytes = take_many();
    write_report();
    cr_assert_eq(line_count, 1 + 7 + MANY + 1);
    expect_begin();
    unsigned groups = 0;
    uint64_t listed = 0;
    for (unsigned i = 1; i < line_count - 1; i++) {
        unsigned long request;
        if (sscanf(lines[i], "  0x%*x %*s %lu bytes", &request) == 1) {
            listed += request;
        } else {
            cr_assert_eq(strncmp(lines[i], "by 0x", 5), 0, "%s", lines[i]);
            groups++;
        }
    }
    cr_assert_eq(groups, 7);
    cr_assert_eq(listed, bytes);
    expect_end(MANY, bytes, 7);
}

/* Returns the size of the process's address space in pages, which is the first number in /proc/self/statm. */
static size_t address_space(void)
{
    char digits[64];
    os_read_file("/proc/self/statm", digits, sizeof digits);
    return strtoul(digits, NULL, 10);
}

Test(in_use_report, keeps_no_memory)
{
    lay_house();
    take_many();
    size_t size = address_space();
    write_report();
    cr_assert_eq(address_space(), size);
}

static void write_without_memory(void *file)
{
    CHECK(setrlimit(RLIMIT_AS, &(struct rlimit){1 << 20, 1 << 20}) == 0);
    CHECK(in_use_report_write(&house_plan, *(int *)file));
}

/*
 * If there is no memory for all lines, the report says for how many slots there is no line. Its sums count all slots.
 */
Test(in_use_report, shows_how_many_slots_are_missing)
{
    lay_house();
    uint64_t bytes = take_many();
    int file = memfd_create("report", MFD_CLOEXEC);
    capture_clean(write_without_memory, &file);
    split(file);
    close(file);
    cr_assert_eq(line_count, 1 + 7 + IN_USE_FEW + 2);
    cr_assert_str_eq(
        lines[line_count - 2],
        expected("not listed, because memory was short: slots %u, younger than all above", MANY - IN_USE_FEW));
    const char *sums = strstr(lines[line_count - 1], ": ");
    cr_assert_str_eq(sums, expected(": slots %u, bytes %lu, callers 7", MANY, bytes));
}

static void write_to_a_short_file(void *file)
{
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){10000, 10000}) == 0);
    errno = UNUSUAL;
    CHECK(!in_use_report_write(&house_plan, *(int *)file));
    CHECK(errno == UNUSUAL);
}

Test(in_use_report, says_that_it_was_refused)
{
    FILE *file = tmpfile();
    int descriptor = fileno(file);
    lay_house();
    take_many();
    capture_clean(write_to_a_short_file, &descriptor);
    cr_assert_not(in_use_report_write(&house_plan, -1));
}
