/* The report room: the table's shape, and every figure where its heading says. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "house.h"
#include "message.h"
#include "option.h"
#include "report.h"

enum { LINES = 24, FIELDS = 32, NAMED = 2 /* bucket and capacity */ };

static char report[REPORT_SIZE + 1];
static char *lines[LINES];
static unsigned line_count;
static struct bucket_plan plan;
static struct snapshot snapshot;

static const char *const headings[] = {"bucket", "capacity",
#define HEADING(name, heading, width, help) heading,
                                       SNAPSHOT_ROWS(HEADING)
#undef HEADING
};
enum { COLUMNS = sizeof headings / sizeof headings[0] };

/* A plan of the default settings, and figures of which each is different from all others. */
static void prepare(void)
{
    static uint8_t map[BUCKET_GRANULES];
    struct bucket_settings settings = house_defaults();
    settings.page = 4096;
    bucket_plan_make(&plan, &settings, map);
    environment_read(&options, NULL);
    snapshot.buckets = plan.count;
    uint64_t next = 1;
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        uint64_t *figures = (uint64_t *)(void *)&snapshot.bucket[bucket];
        for (unsigned i = 0; i < COLUMNS - NAMED; i++) {
            figures[i] = next++;
        }
    }
    uint64_t *total = (uint64_t *)(void *)&snapshot.total;
    for (unsigned i = 0; i < COLUMNS - NAMED; i++) {
        total[i] = 1000000 + i;
    }
}

/* Prints, and cuts the report into lines. */
static void print(void)
{
    struct text text = text_begin(report, REPORT_SIZE);
    report_print(&snapshot, &plan, &text);
    cr_assert_not(text.cut);
    cr_assert_eq(report[text.used - 1], '\n', "the last line ends");
    line_count = 0;
    for (char *at = report; *at != '\0';) {
        char *end = strchr(at, '\n');
        cr_assert_lt(line_count, (unsigned)LINES);
        lines[line_count++] = at;
        *end = '\0';
        at = end + 1;
    }
}

static unsigned split(char *line, char **fields)
{
    unsigned count = 0;
    for (char *field = strtok(line, " "); field != NULL; field = strtok(NULL, " ")) {
        cr_assert_lt(count, (unsigned)FIELDS);
        fields[count++] = field;
    }
    return count;
}

static uint64_t number(const char *field)
{
    char *end;
    uint64_t value = strtoull(field, &end, 10);
    cr_assert(end != field && *end == '\0', "'%s' is no plain number", field);
    return value;
}

Test(report, begins_and_ends_with_the_process)
{
    char expected[256];
    prepare();
    print();
    snprintf(expected, sizeof expected, "sockmalloc %s: statistics of %s, process %d",
             PACKAGE_VERSION, message_process_name(), (int)getpid());
    cr_assert_str_eq(lines[0], expected);
    snprintf(expected, sizeof expected, "end of statistics of process %d", (int)getpid());
    cr_assert_str_eq(lines[line_count - 1], expected);
}

Test(report, has_a_row_for_each_bucket_and_their_sum)
{
    char *fields[FIELDS];
    prepare();
    print();
    cr_assert_eq(line_count, 2 + plan.count + 1 + 3);
    cr_assert_eq(split(lines[1], fields), (unsigned)COLUMNS);
    for (unsigned i = 0; i < COLUMNS; i++) {
        cr_assert_str_eq(fields[i], headings[i]);
    }
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        cr_assert_eq(split(lines[2 + bucket], fields), (unsigned)COLUMNS);
        cr_assert_str_eq(fields[0], plan.label[bucket]);
        cr_assert_eq(number(fields[1]), plan.capacity[bucket]);
        const uint64_t *figures = (const uint64_t *)(const void *)&snapshot.bucket[bucket];
        for (unsigned i = NAMED; i < COLUMNS; i++) {
            cr_assert_eq(number(fields[i]), figures[i - NAMED], "%s of %s", headings[i], fields[0]);
        }
    }
    cr_assert_eq(split(lines[2 + plan.count], fields), (unsigned)COLUMNS);
    cr_assert_str_eq(fields[0], "total");
    cr_assert_str_eq(fields[1], "-");
    for (unsigned i = NAMED; i < COLUMNS; i++) {
        cr_assert_eq(number(fields[i]), 1000000 + i - NAMED);
    }
}

/* A person reads it: numbers stand under their headings, at the right. */
Test(report, columns_are_aligned)
{
    prepare();
    print();
    for (unsigned row = 2; row <= 2 + plan.count; row++) {
        cr_assert_eq(strlen(lines[row]), strlen(lines[1]));
        for (const char *at = lines[1]; *at != '\0'; at++) {
            bool heading_ends = at != lines[1] && *at != ' ' && (at[1] == ' ' || at[1] == '\0') &&
                                at - lines[1] > 6;
            if (heading_ends) {
                const char *digit = lines[row] + (at - lines[1]);
                cr_assert_neq(*digit, ' ', "line %u, column %td", row, at - lines[1]);
            }
        }
    }
}

static void expect_share(uint64_t asked, uint64_t fell_through_asked, const char *share)
{
    char expected[256];
    snapshot.total.asked = asked;
    snapshot.total.fell_through_asked = fell_through_asked;
    print();
    snprintf(expected, sizeof expected,
             "pools served %s %% of the bytes asked for in requests of 4096 to 4194304 bytes",
             share);
    cr_expect_str_eq(lines[3 + plan.count], expected);
}

Test(report, tells_the_share_that_the_pools_served)
{
    prepare();
    expect_share(9985, 15, "99.85");
    expect_share(0, 0, "0.00");
    expect_share(0, 4096, "0.00");
    expect_share(4096, 0, "100.00");
    expect_share(1, 1, "50.00");
    expect_share(5, 9995, "0.05");
    expect_share(99999, 1, "99.99");
    expect_share(UINT64_MAX / 2, 0, "100.00");
    expect_share(UINT64_MAX / 4, UINT64_MAX / 4, "50.00");
}

Test(report, repeats_the_configuration)
{
    char expected[1024];
    struct text text = text_begin(expected, sizeof expected);
    prepare();
    options.number[OPTION_VERBOSE] = 1;
    text_add(&text, "configuration: ");
    option_print_all(&options, &text);
    print();
    cr_assert_str_eq(lines[4 + plan.count], expected);
    cr_assert_not_null(strstr(expected, "SOCKMALLOC_VERBOSE=1"));
}

Test(report, says_when_the_pools_are_off)
{
    prepare();
    snapshot.buckets = 0;
    print();
    cr_assert_eq(line_count, 4);
    cr_assert_str_eq(lines[1], "the pools are off: every request falls through to mimalloc");
    cr_assert_eq(strncmp(lines[2], "configuration: SOCKMALLOC_MIN=4k ", 33), 0);
}

/* The most buckets, the largest numbers and the longest path still fit: nothing is ever cut. */
Test(report, longest_report_fits)
{
    char *fields[FIELDS];
    static uint8_t map[BUCKET_GRANULES];
    prepare();
    struct bucket_settings widest = {.minimum = 4096,
                                     .maximum = BUCKET_REQUEST_LIMIT,
                                     .large = 1 << 30,
                                     .headroom = 0,
                                     .page = 4096};
    bucket_plan_make(&plan, &widest, map);
    snapshot.buckets = plan.count;
    memset(snapshot.bucket, 0xff, sizeof snapshot.bucket);
    memset(&snapshot.total, 0xff, sizeof snapshot.total);
    char longest[SETTING_PATH_SIZE] = {0};
    memset(longest, '/', sizeof longest - 1);
    options.path_end = 1;
    option_set_path(&options, OPTION_STATS, longest);
    option_set_path(&options, OPTION_PROFILE, longest);
    options.number[OPTION_MAX] = options.number[OPTION_LARGE] = (1 << 26) - 1;
    print();
    cr_assert_eq(split(lines[2], fields), (unsigned)COLUMNS, "columns never run together");
    cr_assert_eq(number(fields[COLUMNS - 1]), UINT64_MAX);
}
