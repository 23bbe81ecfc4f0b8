/* Prints a snapshot in the text exposition format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/option.h"
#include "config/setting.h"
#include "statistics/format.h"

/*
 * Prints the name of a metric by the conventions of Prometheus: sockmalloc_, the name of the row, its unit, and _total
 * for a counter. There is no series for all buckets together, because a query that sums the series of a metric would
 * then count everything twice. The values of labels contain no characters that need an escape.
 */
static void prometheus_add_name(const struct snapshot_row *row, struct text *text)
{
    text_add(text, "sockmalloc_%s%s%s%s", row->name, row->unit[0] != '\0' ? "_" : "", row->unit,
             row->type == SNAPSHOT_COUNTER ? "_total" : "");
}

static void prometheus_add_head(const struct snapshot_row *row, struct text *text)
{
    text_add(text, "# HELP ");
    prometheus_add_name(row, text);
    text_add(text, " %s\n# TYPE ", row->help);
    prometheus_add_name(row, text);
    text_add(text, " %s\n", row->type == SNAPSHOT_COUNTER ? "counter" : "gauge");
}

static void prometheus_add_single(const struct snapshot_row *row, uint64_t value, struct text *text)
{
    prometheus_add_head(row, text);
    prometheus_add_name(row, text);
    text_add(text, " %lu\n", (unsigned long)value);
}

static void prometheus_add_sample(const struct snapshot_row *row, const char *label, uint64_t value, struct text *text)
{
    prometheus_add_name(row, text);
    text_add(text, "{bucket=\"%s\"} %lu\n", label, (unsigned long)value);
}

static void prometheus_add_capacities(const struct snapshot *snapshot, const struct bucket_plan *plan,
                                      struct text *text)
{
    static const struct snapshot_row row = {"capacity", SNAPSHOT_GAUGE, "bytes", "largest request that a slot takes",
                                            0};
    prometheus_add_head(&row, text);
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        prometheus_add_sample(&row, plan->label[bucket], plan->capacity[bucket], text);
    }
}

static void prometheus_add_figures(const struct snapshot_row *row, const struct snapshot *snapshot,
                                   const struct bucket_plan *plan, struct text *text)
{
    prometheus_add_head(row, text);
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        uint64_t figure = snapshot_figure(&snapshot->bucket[bucket], row);
        if (figure != SNAPSHOT_UNKNOWN) { /* by the convention of Prometheus, an unknown value has no sample */
            prometheus_add_sample(row, plan->label[bucket], figure, text);
        }
    }
}

typedef uint64_t share_of(const struct snapshot *, const struct bucket_plan *, unsigned);

static void prometheus_add_share(const struct snapshot_row *row, share_of *share, const struct snapshot *snapshot,
                                 const struct bucket_plan *plan, struct text *text)
{
    prometheus_add_head(row, text);
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        prometheus_add_name(row, text);
        text_add(text, "{bucket=\"%s\"} ", plan->label[bucket]);
        format_print_share(share(snapshot, plan, bucket), text);
        text_add(text, "\n");
    }
}

static void prometheus_add_process(const struct snapshot *snapshot, struct text *text)
{
    static const struct snapshot_row active = {"active", SNAPSHOT_GAUGE, "",
                                               "1 if the pools serve requests, 0 if all fall through", 0};
    text_add(text,
             "# HELP sockmalloc_info the library's version, and the pool in force\n"
             "# TYPE sockmalloc_info gauge\n"
             "sockmalloc_info{version=\"%s\",pool=\"",
             PACKAGE_VERSION);
    setting_print(SETTING_POOL, snapshot->kind, text);
    text_add(text, "\"} 1\n");
    prometheus_add_single(&active, snapshot->buckets > 0, text);
#define PROMETHEUS_SINGLE(name, type, unit, help)                                                                      \
    prometheus_add_single(&(const struct snapshot_row){#name, SNAPSHOT_##type, unit, help, 0}, snapshot->name, text);
    SNAPSHOT_PROCESS_ROWS(PROMETHEUS_SINGLE)
#undef PROMETHEUS_SINGLE
}

/*
 * Returns the first step of the histogram that has a series: that of the smallest request of the pools, or the first of
 * all if smaller requests are sampled as well.
 */
static unsigned prometheus_first_step(const struct bucket_plan *plan)
{
    return options.number[OPTION_SAMPLE_SMALL] != 0 ? 0 : histogram_step(plan->minimum);
}

/*
 * Prints the histogram of request sizes. A step without requests has its series too, because series must not come and
 * go. Requests below the first step count in that step; requests above the last one count in +Inf.
 */
static void prometheus_add_sizes(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text)
{
    uint64_t count = 0;
    text_add(text, "# HELP sockmalloc_request_size_bytes requests by size, from a sample\n"
                   "# TYPE sockmalloc_request_size_bytes histogram\n");
    unsigned first = prometheus_first_step(plan);
    unsigned last = histogram_step(plan->maximum);
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        count += snapshot->sizes.count[step];
        if (step >= first && step <= last) {
            text_add(text, "sockmalloc_request_size_bytes_bucket{le=\"%zu\"} %lu\n", histogram_end(step),
                     (unsigned long)count);
        }
    }
    text_add(text,
             "sockmalloc_request_size_bytes_bucket{le=\"+Inf\"} %lu\n"
             "sockmalloc_request_size_bytes_sum %lu\n"
             "sockmalloc_request_size_bytes_count %lu\n",
             (unsigned long)count, (unsigned long)snapshot->sizes.sum, (unsigned long)count);
}

void format_print_prometheus(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text)
{
    prometheus_add_process(snapshot, text);
    if (snapshot->buckets == 0) {
        return; /* a metric without samples tells a reader nothing */
    }
    prometheus_add_capacities(snapshot, plan, text);
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        prometheus_add_figures(&snapshot_rows[i], snapshot, plan, text);
    }
#define PROMETHEUS_SHARE(name, width, help)                                                                            \
    prometheus_add_share(&(const struct snapshot_row){#name, SNAPSHOT_GAUGE, "ratio", help, 0}, snapshot_##name,       \
                         snapshot, plan, text);
    SNAPSHOT_SHARE_ROWS(PROMETHEUS_SHARE)
#undef PROMETHEUS_SHARE
    prometheus_add_sizes(snapshot, plan, text);
}
