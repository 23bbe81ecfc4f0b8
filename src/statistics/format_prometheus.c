/* Prints snapshots in the text exposition format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/format_prometheus.h"

#include <string.h>

#include "config/option.h"
#include "config/setting.h"
#include "statistics/format.h"

/* All snapshots that are printed, and the text to which they are appended. */
struct prometheus_page {
    const struct prometheus_subject *subject;
    unsigned count;
    struct text *text;
};

/*
 * The metrics that have a series for each bucket even on the short page (PROMETHEUS_SHORT), which shows other metrics
 * only as sums of all buckets. Most readers look for memory and traffic by bucket first.
 */
static const char *const short_by_bucket[] = {"live", "requests", "resident"};

void prometheus_print_value(const char *value, struct text *text)
{
    for (; *value != '\0'; value++) {
        unsigned byte = (unsigned char)*value;
        if (byte < 0x20 || byte > 0x7e) {
            text_add(text, byte < 0x10 ? "\\\\x0%x" : "\\\\x%x", byte);
        } else {
            text_add(text, "%s%c", byte == '"' || byte == '\\' ? "\\" : "", *value);
        }
    }
}

void prometheus_print_labels(const struct snapshot *snapshot, struct text *text)
{
    text_add(text, "program=\"");
    prometheus_print_value(snapshot->program, text);
    text_add(text, "\"");
    if (snapshot->processes <= 1) {
        text_add(text, ",pid=\"%d\"", snapshot->process);
    }
}

void prometheus_print_head(const char *name, const char *type, const char *help, struct text *text)
{
    text_add(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

enum { METRIC_SIZE = 64 };

/*
 * Prints the name of a metric by the conventions of Prometheus: sockmalloc_, the name of the row, its unit, and _total
 * for a counter.
 */
static void prometheus_name(const struct snapshot_row *row, char name[METRIC_SIZE])
{
    struct text text = text_begin(name, METRIC_SIZE);
    text_add(&text, "sockmalloc_%s%s%s%s", row->name, row->unit[0] != '\0' ? "_" : "", row->unit,
             row->type == SNAPSHOT_COUNTER ? "_total" : "");
}

/* Prints the two lines that begin the metric of a row, and stores the name of the metric. */
static void prometheus_begin(struct prometheus_page *page, const struct snapshot_row *row, char name[METRIC_SIZE])
{
    prometheus_name(row, name);
    prometheus_print_head(name, row->type == SNAPSHOT_COUNTER ? "counter" : "gauge", row->help, page->text);
}

/* Prints the name and the labels of a sample: the label of the bucket, if the sample is of one bucket, and those of the
 * snapshot. */
static void prometheus_add_labels(const char *name, const struct prometheus_subject *subject, const char *bucket,
                                  struct text *text)
{
    if (bucket != NULL) {
        text_add(text, "%s{bucket=\"%s\",%s} ", name, bucket, subject->labels);
    } else {
        text_add(text, "%s{%s} ", name, subject->labels);
    }
}

/* Prints one sample. Prints nothing for an unknown figure, because by the convention of Prometheus it has no sample. */
static void prometheus_add_sample(const char *name, const struct prometheus_subject *subject, const char *bucket,
                                  uint64_t value, struct text *text)
{
    if (value != SNAPSHOT_UNKNOWN) {
        prometheus_add_labels(name, subject, bucket, text);
        text_add(text, "%lu\n", (unsigned long)value);
    }
}

/* Prints the metric of a row: a sample for each bucket, or one sample for all buckets together. */
static void prometheus_add_figures(struct prometheus_page *page, const struct snapshot_row *row, bool by_bucket)
{
    char name[METRIC_SIZE];
    prometheus_begin(page, row, name);
    for (unsigned i = 0; i < page->count; i++) {
        const struct prometheus_subject *subject = &page->subject[i];
        const struct snapshot *snapshot = subject->snapshot;
        for (unsigned bucket = 0; by_bucket && bucket < snapshot->buckets; bucket++) {
            prometheus_add_sample(name, subject, subject->plan->label[bucket],
                                  snapshot_figure(&snapshot->bucket[bucket], row), page->text);
        }
        if (!by_bucket && snapshot->buckets > 0) {
            prometheus_add_sample(name, subject, NULL, snapshot_figure(&snapshot->total, row), page->text);
        }
    }
}

static bool prometheus_is_by_bucket(const struct snapshot_row *row, enum prometheus_detail detail)
{
    bool is_by_bucket = detail == PROMETHEUS_WIDE;
    for (unsigned i = 0; i < sizeof short_by_bucket / sizeof short_by_bucket[0]; i++) {
        is_by_bucket = is_by_bucket || strcmp(row->name, short_by_bucket[i]) == 0;
    }
    return is_by_bucket;
}

static void prometheus_add_capacities(struct prometheus_page *page)
{
    static const struct snapshot_row row = {"capacity", SNAPSHOT_GAUGE, "bytes", "largest request that a slot takes",
                                            0};
    char name[METRIC_SIZE];
    prometheus_begin(page, &row, name);
    for (unsigned i = 0; i < page->count; i++) {
        const struct prometheus_subject *subject = &page->subject[i];
        for (unsigned bucket = 0; bucket < subject->snapshot->buckets; bucket++) {
            prometheus_add_sample(name, subject, subject->plan->label[bucket], subject->plan->capacity[bucket],
                                  page->text);
        }
    }
}

typedef uint64_t share_of(const struct snapshot *, const struct bucket_plan *, unsigned);

/* Prints one share: that of a bucket, or that of the whole snapshot if `bucket` is the number of buckets. */
static void prometheus_add_share(const char *name, const struct prometheus_subject *subject, share_of *share,
                                 unsigned bucket, struct text *text)
{
    const char *label = bucket < subject->snapshot->buckets ? subject->plan->label[bucket] : NULL;
    prometheus_add_labels(name, subject, label, text);
    format_print_share(share(subject->snapshot, subject->plan, bucket), text);
    text_add(text, "\n");
}

static void prometheus_add_shares(struct prometheus_page *page, const struct snapshot_row *row, share_of *share,
                                  bool by_bucket)
{
    char name[METRIC_SIZE];
    prometheus_begin(page, row, name);
    for (unsigned i = 0; i < page->count; i++) {
        const struct prometheus_subject *subject = &page->subject[i];
        unsigned buckets = subject->snapshot->buckets;
        for (unsigned bucket = 0; by_bucket && bucket < buckets; bucket++) {
            prometheus_add_share(name, subject, share, bucket, page->text);
        }
        if (!by_bucket && buckets > 0) {
            prometheus_add_share(name, subject, share, buckets, page->text);
        }
    }
}

static void prometheus_add_information(struct prometheus_page *page)
{
    prometheus_print_head("sockmalloc_info", "gauge", "the library's version, and the pool in force", page->text);
    for (unsigned i = 0; i < page->count; i++) {
        text_add(page->text, "sockmalloc_info{version=\"%s\",pool=\"", PACKAGE_VERSION);
        setting_print(SETTING_POOL, page->subject[i].snapshot->kind, page->text);
        text_add(page->text, "\",%s} 1\n", page->subject[i].labels);
    }
    prometheus_print_head("sockmalloc_active", "gauge", "1 if the pools serve requests, 0 if all fall through",
                          page->text);
    for (unsigned i = 0; i < page->count; i++) {
        prometheus_add_sample("sockmalloc_active", &page->subject[i], NULL, page->subject[i].snapshot->buckets > 0,
                              page->text);
    }
}

static void prometheus_add_process(struct prometheus_page *page)
{
    char metric[METRIC_SIZE];
#define PROMETHEUS_SINGLE(name, type, unit, help)                                                                      \
    prometheus_begin(page, &(const struct snapshot_row){#name, SNAPSHOT_##type, unit, help, 0}, metric);               \
    for (unsigned i = 0; i < page->count; i++) {                                                                       \
        prometheus_add_sample(metric, &page->subject[i], NULL, page->subject[i].snapshot->name, page->text);           \
    }
    SNAPSHOT_PROCESS_ROWS(PROMETHEUS_SINGLE)
#undef PROMETHEUS_SINGLE
}

/*
 * Prints the histogram of request sizes. A step without requests has its series too, because series must not come and
 * go. Requests below the first step count in that step; requests above the last one count in +Inf. The first step is
 * that of the smallest request of the pools, or the first of all if smaller requests are sampled as well.
 */
static void prometheus_add_sizes(const struct prometheus_subject *subject, struct text *text)
{
    const struct snapshot *snapshot = subject->snapshot;
    uint64_t count = 0;
    unsigned first = subject->samples_small ? 0 : histogram_step(subject->plan->minimum);
    unsigned last = histogram_step(subject->plan->maximum);
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        count += snapshot->sizes.count[step];
        if (step >= first && step <= last) {
            text_add(text, "sockmalloc_request_size_bytes_bucket{le=\"%zu\",%s} %lu\n", histogram_end(step),
                     subject->labels, (unsigned long)count);
        }
    }
    text_add(text, "sockmalloc_request_size_bytes_bucket{le=\"+Inf\",%s} %lu\n", subject->labels, (unsigned long)count);
    prometheus_add_sample("sockmalloc_request_size_bytes_sum", subject, NULL, snapshot->sizes.sum, text);
    prometheus_add_sample("sockmalloc_request_size_bytes_count", subject, NULL, count, text);
}

static void prometheus_add_all_sizes(struct prometheus_page *page)
{
    prometheus_print_head("sockmalloc_request_size_bytes", "histogram", "requests by size, from a sample", page->text);
    for (unsigned i = 0; i < page->count; i++) {
        if (page->subject[i].snapshot->buckets > 0) {
            prometheus_add_sizes(&page->subject[i], page->text);
        }
    }
}

/* Returns true if at least one snapshot has buckets. If none has, most of the page is left out, because it would name
 * metrics that have no samples. */
static bool prometheus_has_buckets(const struct prometheus_page *page)
{
    for (unsigned i = 0; i < page->count; i++) {
        if (page->subject[i].snapshot->buckets > 0) {
            return true;
        }
    }
    return false;
}

void prometheus_print(const struct prometheus_subject *subject, unsigned count, enum prometheus_detail detail,
                      struct text *text)
{
    struct prometheus_page page = {subject, count, text};
    if (count == 0) {
        return;
    }
    prometheus_add_information(&page);
    prometheus_add_process(&page);
    if (!prometheus_has_buckets(&page)) {
        return;
    }
    if (detail == PROMETHEUS_WIDE) {
        prometheus_add_capacities(&page);
    }
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        prometheus_add_figures(&page, &snapshot_rows[i], prometheus_is_by_bucket(&snapshot_rows[i], detail));
    }
#define PROMETHEUS_SHARE(name, width, help)                                                                            \
    prometheus_add_shares(&page, &(const struct snapshot_row){#name, SNAPSHOT_GAUGE, "ratio", help, 0},                \
                          snapshot_##name, detail == PROMETHEUS_WIDE);
    SNAPSHOT_SHARE_ROWS(PROMETHEUS_SHARE)
#undef PROMETHEUS_SHARE
    if (detail == PROMETHEUS_WIDE) {
        prometheus_add_all_sizes(&page);
    }
}

void format_print_prometheus(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text)
{
    char buffer[PROMETHEUS_LABELS_SIZE];
    struct text labels = text_begin(buffer, sizeof buffer);
    prometheus_print_labels(snapshot, &labels);
    const struct prometheus_subject subject = {snapshot, plan, buffer, options.number[OPTION_SAMPLE_SMALL] != 0};
    prometheus_print(&subject, 1, PROMETHEUS_WIDE, text);
}
