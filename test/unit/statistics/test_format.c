/* Tests of statistics/format.c: each format has all figures of a snapshot, and none is cut off. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/option.h"
#include "statistics/format.h"
#include "statistics/format_prometheus.h"
#include "support/environment.h"
#include "support/house.h"

/* The labels of the snapshot that `prepare` makes. */
#define LABELS "program=\"served\",pid=\"4711\""

static char printed[FORMAT_SIZE];
static struct bucket_plan plan;
static struct snapshot snapshot;

static void prepare(size_t maximum)
{
    static bucket_offset map[BUCKET_GRANULES];
    struct bucket_settings settings = house_defaults();
    settings.page = 4096;
    settings.maximum = maximum;
    bucket_plan_make(&plan, &settings, map);
    environment_read(&options, NULL);
    snapshot = (struct snapshot){.buckets = plan.count, .process = 4711, .program = "served"};
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        uint64_t *figures = (uint64_t *)(void *)&snapshot.bucket[bucket];
        for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
            figures[i] = 1000 * (bucket + 1) + i;
        }
    }
}

static void print(enum format format)
{
    struct text text = text_begin(printed, sizeof printed);
    format_print(format, &snapshot, &plan, &text);
    format_print_end(format, &snapshot, &text);
    cr_assert_not(text.cut);
    cr_assert_eq(printed[text.used - 1], '\n');
}

static void expect_in(const char *wanted)
{
    cr_expect_not_null(strstr(printed, wanted), "'%s' is not in %s", wanted, printed);
}

Test(format, text_is_the_report)
{
    static char report[FORMAT_SIZE];
    prepare(4 << 20);
    struct text text = text_begin(report, sizeof report);
    format_print_text(&snapshot, &plan, &text);
    format_print_text_end(&snapshot, &text);
    print(FORMAT_TEXT);
    cr_assert_str_eq(printed, report);
}

Test(format, json_is_one_line_with_every_figure)
{
    char wanted[64];
    prepare(4 << 20);
    print(FORMAT_JSON);
    cr_assert_eq(strchr(printed, '\n'), printed + strlen(printed) - 1);
    expect_in("{\"format\":1,\"version\":\"" PACKAGE_VERSION "\",\"program\":\"served\","
              "\"process\":4711,\"active\":true,\"pool\":\"thread\",\"minimum\":4096,"
              "\"maximum\":4194304,");
    const char *at = printed;
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        snprintf(wanted, sizeof wanted, "{\"bucket\":\"%s\",\"capacity\":%zu", plan.label[bucket],
                 plan.capacity[bucket]);
        at = strstr(at, wanted);
        cr_assert_not_null(at, "%s", wanted);
        for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
            snprintf(wanted, sizeof wanted, ",\"%s\":%u", snapshot_rows[i].name, 1000 * (bucket + 1) + i);
            at = strstr(at, wanted);
            cr_assert_not_null(at, "%s of %s", wanted, plan.label[bucket]);
        }
    }
}

Test(format, prometheus_has_every_figure)
{
    char wanted[128];
    prepare(4 << 20);
    print(FORMAT_PROMETHEUS);
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
            const struct snapshot_row *row = &snapshot_rows[i];
            snprintf(wanted, sizeof wanted, "\nsockmalloc_%s%s%s%s{bucket=\"%s\"," LABELS "} %u\n", row->name,
                     row->unit[0] != '\0' ? "_" : "", row->unit, row->type == SNAPSHOT_COUNTER ? "_total" : "",
                     plan.label[bucket], 1000 * (bucket + 1) + i);
            expect_in(wanted);
        }
    }
}

Test(format, a_share_is_a_number_up_to_1)
{
    prepare(4 << 20);
    memset(snapshot.bucket, 0, sizeof snapshot.bucket);
    snapshot.bucket[2].requests = 2;
    snapshot.bucket[2].asked = snapshot.total.asked = 2 * 16390;
    snapshot.bucket[3].requests = 1;
    snapshot.bucket[3].asked = 36864;
    print(FORMAT_JSON);
    expect_in(",\"decays\":0,\"filled\":0.0000},{\"bucket\":\"16k\"");
    expect_in(",\"decays\":0,\"filled\":0.8002},{\"bucket\":\"32k\"");
    expect_in(",\"decays\":0,\"filled\":1.0000},{\"bucket\":\"64k\"");
    expect_in(",\"decays\":0,\"filled\":0.4212},\"sizes\"");
    print(FORMAT_PROMETHEUS);
    expect_in("# HELP sockmalloc_filled_ratio share of the slots' capacity that the served "
              "requests asked for\n# TYPE sockmalloc_filled_ratio gauge\n"
              "sockmalloc_filled_ratio{bucket=\"4k\"," LABELS "} 0.0000\n");
    expect_in("\nsockmalloc_filled_ratio{bucket=\"16k\"," LABELS "} 0.8002\n"
              "sockmalloc_filled_ratio{bucket=\"32k\"," LABELS "} 1.0000\n");
}

Test(format, prometheus_names_tell_type_and_unit)
{
    prepare(4 << 20);
    print(FORMAT_PROMETHEUS);
    expect_in("# TYPE sockmalloc_live_slots gauge\n");
    expect_in("# HELP sockmalloc_live_slots slots in use, counted from their metadata\n");
    expect_in("# TYPE sockmalloc_asked_bytes_total counter\n");
    expect_in("# TYPE sockmalloc_requests_total counter\n");
    expect_in("# TYPE sockmalloc_resident_bytes gauge\n");
    expect_in("\nsockmalloc_capacity_bytes{bucket=\"16k\"," LABELS "} 20480\n");
    expect_in("\nsockmalloc_active{" LABELS "} 1\n");
    expect_in("sockmalloc_info{version=\"" PACKAGE_VERSION "\",pool=\"thread\"," LABELS "} 1\n");
}

/* A figure that is unknown is printed by each format in its own way, but never as a number. */
Test(format, unknown_is_no_number)
{
    prepare(4 << 20);
    snapshot.bucket[2].resident = SNAPSHOT_UNKNOWN; /* 16k */
    snapshot.total.resident = SNAPSHOT_UNKNOWN;
    print(FORMAT_TEXT);
    expect_in(" unknown ");
    print(FORMAT_JSON);
    expect_in("\"bucket\":\"16k\"");
    expect_in(",\"resident\":null,\"resident_live\":3009,");
    expect_in(",\"resident\":null,\"resident_live\":0,");
    print(FORMAT_PROMETHEUS);
    expect_in("\nsockmalloc_resident_bytes{bucket=\"8k\"," LABELS "} 2008\n"
              "sockmalloc_resident_bytes{bucket=\"32k\"," LABELS "} 4008\n");
}

/* The name of a program, and a path, may contain any byte but NUL. In JSON, special bytes are escaped. */
Test(format, json_escapes_special_bytes)
{
    prepare(4 << 20);
    snapshot.program = "a\"b\\c\n\x01\x7f\xe9";
    options.path_end = 1;
    option_set_path(&options, OPTION_STATS, "/\"\\");
    print(FORMAT_JSON);
    expect_in("\"program\":\"a\\\"b\\\\c\\u000a\\u0001\\u007f\\u00e9\"");
    expect_in("\"SOCKMALLOC_STATS\":\"/\\\"\\\\\"");
}

/* The short form has three metrics for each bucket of each of the two programs here. Of all other metrics it only has
 * the sums over the buckets. */
Test(format, prometheus_has_a_short_form)
{
    prepare(BUCKET_REQUEST_LIMIT - 1);
    const struct prometheus_subject subjects[] = {{&snapshot, &plan, "program=\"one\"", false},
                                                  {&snapshot, &plan, "program=\"two\"", false}};
    struct text text = text_begin(printed, sizeof printed);
    snapshot.total.asked = 77;
    prometheus_print(subjects, 2, PROMETHEUS_SHORT, &text);
    expect_in("# TYPE sockmalloc_asked_bytes_total counter\nsockmalloc_asked_bytes_total{program=\"one\"} 77\n"
              "sockmalloc_asked_bytes_total{program=\"two\"} 77\n# HELP");
    expect_in("\nsockmalloc_live_slots{bucket=\"16k\",program=\"one\"} 3000\n");
    cr_expect_null(strstr(printed, "sockmalloc_asked_bytes_total{bucket"));
    cr_expect_null(strstr(printed, "sockmalloc_request_size_bytes"));
    unsigned series = 0;
    for (const char *at = printed; (at = strstr(at, "program=\"one\"")) != NULL; at++) {
        series++;
    }
    cr_expect_lt(series, 100);
}

/* Special characters in a program's name must not end the label or the line. If figures are a sum over several
 * processes, they have no process id. */
Test(format, prometheus_escapes_names)
{
    prepare(4 << 20);
    snapshot.program = "a\"b\\c\n\xe9";
    print(FORMAT_PROMETHEUS);
    expect_in("\nsockmalloc_active{program=\"a\\\"b\\\\c\\\\x0a\\\\xe9\",pid=\"4711\"} 1\n");
    snapshot.program = "served";
    snapshot.processes = 2;
    print(FORMAT_PROMETHEUS);
    expect_in("\nsockmalloc_active{program=\"served\"} 1\n");
}

Test(format, all_formats_show_that_the_pools_are_off)
{
    prepare(4 << 20);
    snapshot.buckets = 0;
    print(FORMAT_TEXT);
    expect_in("the pools are off");
    print(FORMAT_JSON);
    expect_in("\"active\":false");
    expect_in("\"buckets\":[]");
    print(FORMAT_PROMETHEUS);
    expect_in("\nsockmalloc_active{" LABELS "} 0\n");
    cr_expect_null(strstr(printed, "{bucket="));
}

/* This snapshot makes the longest text: it has the largest number of buckets, the longest figures, and paths in which
 * every byte must be escaped. */
Test(format, longest_snapshot_fits)
{
    char longest[SETTING_PATH_SIZE] = {0};
    prepare(BUCKET_REQUEST_LIMIT - 1);
    /* No figure has more digits than these. All bits set would mean "unknown". */
    memset(snapshot.bucket, 0xfe, sizeof snapshot.bucket);
    memset(&snapshot.total, 0xfe, sizeof snapshot.total);
    memset(&snapshot.sizes, 0xff, sizeof snapshot.sizes);
    snapshot.charged = snapshot.budget = snapshot.pressure_highs = UINT64_MAX;
    memset(longest, 0x01, sizeof longest - 1);
    longest[0] = '/';
    snapshot.program = longest + SETTING_PATH_SIZE - 32;
    options.path_end = 1;
    option_set_path(&options, OPTION_STATS, longest);
    option_set_path(&options, OPTION_PROFILE, longest);
    for (unsigned format = 0; format < FORMAT_COUNT; format++) {
        print((enum format)format);
    }
}

/* In Prometheus's format, the figure of each step counts all requests up to the step's size. Requests that are too
 * small for the pools are counted in every step. Requests that are too large are counted only in the last line. */
Test(format, prometheus_counts_up_to_each_step)
{
    prepare(4 << 20);
    snapshot.sizes.count[histogram_step(1025)] = 5;
    snapshot.sizes.count[histogram_step(4096)] = 7;
    snapshot.sizes.count[histogram_step(16390)] = 11;
    snapshot.sizes.count[histogram_step(5 << 20)] = 1;
    snapshot.sizes.sum = 13;
    print(FORMAT_PROMETHEUS);
    expect_in("# TYPE sockmalloc_request_size_bytes histogram\n"
              "sockmalloc_request_size_bytes_bucket{le=\"4096\"," LABELS "} 12\n"
              "sockmalloc_request_size_bytes_bucket{le=\"4352\"," LABELS "} 12\n");
    expect_in("_bucket{le=\"16384\"," LABELS "} 12\nsockmalloc_request_size_bytes_bucket{le=\"17408\"," LABELS
              "} 23\n");
    expect_in("_bucket{le=\"4194304\"," LABELS "} 23\nsockmalloc_request_size_bytes_bucket{le=\"+Inf\"," LABELS "} 24\n"
              "sockmalloc_request_size_bytes_sum{" LABELS "} 13\nsockmalloc_request_size_bytes_count{" LABELS "} 24\n");
    print(FORMAT_JSON);
    expect_in(",\"sizes\":{\"sum\":13,\"steps\":[{\"to\":1088,\"count\":5},{\"to\":4096,\"count\":7},"
              "{\"to\":17408,\"count\":11},{\"to\":5242880,\"count\":1}]}");
    print(FORMAT_TEXT);
    expect_in("\nrequests by size, from a sample: 1088:5 4096:7 17408:11 5242880:1\n");
}
