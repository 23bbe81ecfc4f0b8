/* Tests of statistics/format_text.c: the form of the two tables, and that each figure stands below its heading. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/message.h"
#include "config/option.h"
#include "statistics/format.h"
#include "support/environment.h"
#include "support/house.h"

enum { LINES = 48, FIELDS = 32, MARK = 1000000 };

static char report[FORMAT_TEXT_SIZE + 1];
static char *lines[LINES];
static unsigned line_count;
static struct bucket_plan plan;
static struct snapshot snapshot;

/* One of the two tables of a report: its headings, how many columns name a row, and how many are shares in percent. */
struct table {
    const char *const *headings;
    unsigned columns;
    unsigned named;
    unsigned shares; /* how many columns at the end are shares in percent */
    unsigned first;  /* the index that the table's first figure has in the snapshot */
};

#define HEADING(name, width, type, unit, help) #name,
static const char *const slot_headings[] = {"bucket", "capacity", SNAPSHOT_SLOT_ROWS(HEADING) "filled"};
static const char *const cache_headings[] = {"caches", SNAPSHOT_CACHE_ROWS(HEADING)};
#undef HEADING
enum {
    SLOT_COLUMNS = sizeof slot_headings / sizeof slot_headings[0],
    CACHE_COLUMNS = sizeof cache_headings / sizeof cache_headings[0],
    SHARES = 1,
    FIGURES = sizeof(struct snapshot_figures) / sizeof(uint64_t)
};
static const struct table slots_table = {slot_headings, SLOT_COLUMNS, 2, SHARES, 0};
static const struct table caches_table = {cache_headings, CACHE_COLUMNS, 1, 0, SLOT_COLUMNS - 2 - SHARES};

/* Each of these functions returns the number of the line at which a part of the report begins. */
static unsigned slots_line(void)
{
    return 1;
}

static unsigned caches_line(void)
{
    return slots_line() + 1 + plan.count + 1;
}

static unsigned quotas_line(void)
{
    return caches_line() + 1 + plan.count + 1;
}

/* Sets the buckets of the default settings, and gives each figure a different value. */
static void prepare(void)
{
    static bucket_offset map[BUCKET_GRANULES];
    struct bucket_settings settings = house_defaults();
    settings.page = 4096;
    bucket_plan_make(&plan, &settings, map);
    environment_read(&options, NULL);
    snapshot.buckets = plan.count;
    uint64_t next = 1;
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        uint64_t *figures = (uint64_t *)(void *)&snapshot.bucket[bucket];
        for (unsigned i = 0; i < FIGURES; i++) {
            figures[i] = next++;
        }
    }
    uint64_t *total = (uint64_t *)(void *)&snapshot.total;
    for (unsigned i = 0; i < FIGURES; i++) {
        total[i] = MARK + i;
    }
    snapshot.process = (int)getpid();
    snapshot.program = message_process_name();
    snapshot.charged = 2 * MARK;
    snapshot.budget = 3 * MARK;
}

/* Prints a report and cuts it into lines. */
static void print(void)
{
    struct text text = text_begin(report, FORMAT_TEXT_SIZE);
    format_print_text(&snapshot, &plan, &text);
    format_print_text_end(&snapshot, &text);
    cr_assert_not(text.cut);
    cr_assert_eq(report[text.used - 1], '\n', "the last line ends with a newline");
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

Test(format_text, begins_and_ends_with_the_process)
{
    char expected[256];
    prepare();
    print();
    snprintf(expected, sizeof expected, "sockmalloc %s: statistics of %s, process %d", PACKAGE_VERSION,
             message_process_name(), (int)getpid());
    cr_assert_str_eq(lines[0], expected);
    snprintf(expected, sizeof expected, "end of statistics of process %d", (int)getpid());
    cr_assert_str_eq(lines[line_count - 1], expected);
}

static void expect_row(const struct table *table, unsigned line, const char *label, const struct snapshot_figures *row)
{
    char *fields[FIELDS];
    const uint64_t *figures = (const uint64_t *)(const void *)row + table->first;
    cr_assert_eq(split(lines[line], fields), table->columns);
    cr_assert_str_eq(fields[0], label);
    for (unsigned i = table->named; i < table->columns - table->shares; i++) {
        cr_assert_eq(number(fields[i]), figures[i - table->named], "%s of %s", table->headings[i], label);
    }
}

static void expect_table(const struct table *table, unsigned line)
{
    char *fields[FIELDS];
    cr_assert_eq(split(lines[line], fields), table->columns);
    for (unsigned i = 0; i < table->columns; i++) {
        cr_assert_str_eq(fields[i], table->headings[i]);
    }
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        expect_row(table, line + 1 + bucket, plan.label[bucket], &snapshot.bucket[bucket]);
    }
    expect_row(table, line + 1 + plan.count, "total", &snapshot.total);
}

Test(format_text, has_a_row_for_each_bucket_and_their_sum)
{
    prepare();
    print();
    cr_assert_eq(line_count, quotas_line() + 5);
    expect_table(&slots_table, slots_line());
    expect_table(&caches_table, caches_line());
}

Test(format_text, shows_the_capacities)
{
    char *fields[FIELDS];
    prepare();
    print();
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        split(lines[slots_line() + 1 + bucket], fields);
        cr_assert_eq(number(fields[1]), plan.capacity[bucket]);
    }
    split(lines[slots_line() + 1 + plan.count], fields);
    cr_assert_str_eq(fields[1], "-", "their sum would mean nothing");
}

static void expect_filled(unsigned bucket, const char *share)
{
    char *fields[FIELDS];
    print();
    split(lines[slots_line() + 1 + bucket], fields);
    cr_expect_str_eq(fields[SLOT_COLUMNS - 1], share);
}

Test(format_text, shows_the_used_part_of_the_capacity)
{
    enum { BUCKET = 2, CAPACITY = 20480 };
    prepare();
    memset(snapshot.bucket, 0, sizeof snapshot.bucket);
    snapshot.total.asked = 0;
    expect_filled(BUCKET, "0.00%");
    expect_filled(plan.count, "0.00%");
    snapshot.bucket[BUCKET].requests = 3;
    snapshot.bucket[BUCKET].asked = snapshot.total.asked = 3 * 16390;
    expect_filled(BUCKET, "80.02%");
    expect_filled(plan.count, "80.02%");
    snapshot.bucket[BUCKET].asked = 3 * CAPACITY;
    expect_filled(BUCKET, "100.00%");
    /*
     * The library reads the number of requests first and the sum of their bytes a moment later. So the sum can be
     * larger than the capacity of this number of slots. The share of the capacity that was requested is then printed as
     * 100%.
     */
    snapshot.bucket[BUCKET].asked = 4 * CAPACITY;
    expect_filled(BUCKET, "100.00%");
    /*
     * in the row `total`, the share is the sum of requested bytes divided by another sum: the requests of each bucket
     * times the bucket's capacity
     */
    snapshot.bucket[0].requests = 1;
    snapshot.total.asked = 3 * CAPACITY / 2;
    cr_assert_eq(plan.capacity[0], 8192);
    expect_filled(plan.count, "44.11%");
}

Test(format_text, shows_the_sum_of_the_quotas)
{
    prepare();
    print();
    cr_assert_str_eq(lines[quotas_line()], "quotas allow the caches 2000000 of 3000000 bytes; "
                                           "pool in force: thread");
}

Test(format_text, shows_how_often_memory_was_nearly_used_up)
{
    prepare();
    snapshot.pressure_highs = 17;
    print();
    cr_assert_str_eq(lines[quotas_line() + 1], "memory was nearly used up 17 times, and pages were purged for that");
}

Test(format_text, names_the_kind_in_force)
{
    static const char *const kinds[KIND_COUNT] = {"thread", "lockfree", "standard", "cpu", "auto"};
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        prepare();
        snapshot.kind = (enum kind)kind;
        print();
        cr_assert_str_eq(strrchr(lines[quotas_line()], ' ') + 1, kinds[kind]);
    }
}

/* Checks that each number ends below the end of its heading, because a person reads the table. */
static void expect_aligned(unsigned line)
{
    for (unsigned row = line + 1; row <= line + 1 + plan.count; row++) {
        cr_assert_eq(strlen(lines[row]), strlen(lines[line]));
        for (const char *at = lines[line] + 1; *at != '\0'; at++) {
            bool heading_ends = *at != ' ' && (at[1] == ' ' || at[1] == '\0') && at - lines[line] > 6;
            if (heading_ends) {
                const char *digit = lines[row] + (at - lines[line]);
                cr_assert_neq(*digit, ' ', "line %u, column %td", row, at - lines[line]);
            }
        }
    }
}

Test(format_text, columns_are_aligned)
{
    prepare();
    print();
    expect_aligned(slots_line());
    expect_aligned(caches_line());
}

static void expect_share(uint64_t asked, uint64_t fell_through_asked, const char *share)
{
    char expected[256];
    snapshot.total.asked = asked;
    snapshot.total.fell_through_asked = fell_through_asked;
    print();
    snprintf(expected, sizeof expected,
             "pools served %s %% of the bytes asked for in requests of 4096 to 4194304 bytes", share);
    cr_expect_str_eq(lines[quotas_line() + 2], expected);
}

Test(format_text, shows_the_share_that_the_pools_served)
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

Test(format_text, repeats_the_configuration)
{
    char expected[1024];
    struct text text = text_begin(expected, sizeof expected);
    prepare();
    options.number[OPTION_VERBOSE] = 1;
    text_add(&text, "configuration: ");
    option_print_all(&options, &text);
    print();
    cr_assert_str_eq(lines[quotas_line() + 3], expected);
    cr_assert_not_null(strstr(expected, "SOCKMALLOC_VERBOSE=1"));
}

Test(format_text, says_when_the_pools_are_off)
{
    prepare();
    snapshot.buckets = 0;
    print();
    cr_assert_eq(line_count, 4);
    cr_assert_str_eq(lines[1], "the pools are off: every request falls through to mimalloc");
    cr_assert_eq(strncmp(lines[2], "configuration: SOCKMALLOC_MIN=4k ", 33), 0);
}

/* This report is the longest: it has the largest number of buckets, the longest figures and the longest path. None of
 * it is cut off. */
Test(format_text, longest_report_fits)
{
    char *fields[FIELDS];
    static bucket_offset map[BUCKET_GRANULES];
    prepare();
    struct bucket_settings widest = {.minimum = 4096,
                                     /* makes the label of the last bucket as long as it can be */
                                     .maximum = BUCKET_REQUEST_LIMIT - 1,
                                     .large = 1 << 30,
                                     .headroom = 0,
                                     .page = 4096};
    bucket_plan_make(&plan, &widest, map);
    snapshot.buckets = plan.count;
    /* No figure has more digits than these. All bits set would mean "unknown". */
    memset(snapshot.bucket, 0xfe, sizeof snapshot.bucket);
    memset(&snapshot.total, 0xfe, sizeof snapshot.total);
    snapshot.charged = snapshot.budget = snapshot.pressure_highs = UINT64_MAX;
    char longest[SETTING_PATH_SIZE] = {0};
    memset(longest, '/', sizeof longest - 1);
    options.path_end = 1;
    option_set_path(&options, OPTION_STATS, longest);
    option_set_path(&options, OPTION_PROFILE, longest);
    options.number[OPTION_MAX] = options.number[OPTION_LARGE] = (1 << 26) - 1;
    print();
    cr_assert_eq(split(lines[slots_line() + 1], fields), (unsigned)SLOT_COLUMNS,
                 "two columns have no space between them");
    cr_assert_eq(number(fields[SLOT_COLUMNS - 1 - SHARES]), UINT64_C(0xfefefefefefefefe));
    cr_assert_eq(split(lines[caches_line() + 1], fields), (unsigned)CACHE_COLUMNS);
    cr_assert_eq(number(fields[CACHE_COLUMNS - 1]), UINT64_C(0xfefefefefefefefe));
}
