/* The parts that the page of `sockmalloc report` has for each server: charts and tables. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/report_part.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/bounds.h"
#include "command/advise_source.h"
#include "command/page.h"

enum { IDS_SIZE = 2 * REPORT_ID_SIZE };

/* --- words --- */

void report_part_say_time(uint64_t nanoseconds, bool has_date, char words[REPORT_WORDS_SIZE])
{
    time_t seconds = (time_t)(nanoseconds / 1000000000);
    struct tm parts;
    char date[64] = "";
    if (gmtime_r(&seconds, &parts) != NULL) {
        strftime(date, sizeof date, has_date ? "%F %T" : "%T", &parts);
    }
    snprintf(words, REPORT_WORDS_SIZE, "%s.%03u", date, (unsigned)(nanoseconds / 1000000 % 1000));
}

void report_part_id(const struct report_part *part, const char *name, char id[REPORT_ID_SIZE])
{
    snprintf(id, REPORT_ID_SIZE, "server%u-%s", part->number, name);
}

/*
 * Writes the ids of the two headings whose texts together are the name of a table: the heading of the part, and the
 * heading of the server.
 */
static void report_part_names(const struct report_part *part, const char *id, char names[IDS_SIZE])
{
    char server[REPORT_ID_SIZE];
    report_part_id(part, "name", server);
    snprintf(names, IDS_SIZE, "%s %s", id, server);
}

bool report_part_counts_small(const struct report_source *source)
{
    const char *value = source->settings[OPTION_SAMPLE_SMALL];
    return value != NULL && strcmp(value, "1") == 0;
}

/* --- charts over time --- */

/*
 * A column in the table of a chart over time: the name of the column, and the function that writes the cell of the
 * column for one point of the chart.
 */
struct report_column {
    const char *name;
    void (*cell)(const struct report_part *part, unsigned point, unsigned argument);
    unsigned argument;
};

static const struct snapshot_figures *report_part_total(const struct report_part *part, unsigned point)
{
    return &part->source->point[point].snapshot.total;
}

static void report_part_row(const struct report_part *part, unsigned point)
{
    const struct recording_sample *sample = &part->source->point[point];
    char name[REPORT_WORDS_SIZE];
    uint64_t milliseconds = sample->time / 1000000;
    if (part->source->first_time != 0) {
        report_part_say_time(sample->time, false, name);
        page_chart_row(name, (double)milliseconds / 1000, part->file);
    } else {
        snprintf(name, sizeof name, "%" PRIu64, sample->number + 1);
        page_chart_row(name, (double)sample->number + 1, part->file);
    }
}

/* Writes a chart whose horizontal axis is the time, or the number of the sample if the samples have no times. The table
 * of the chart has a row for each point. */
static void report_part_over_time(const struct report_part *part, struct page_chart chart,
                                  const struct report_column *columns, unsigned count)
{
    bool has_times = part->source->first_time != 0;
    char names[IDS_SIZE];
    report_part_names(part, chart.id, names);
    chart.table.names = names;
    chart.places = has_times ? "time" : "number";
    chart.is_drawn = part->source->points > 1;
    chart.table.first = has_times ? "time (UTC)" : "sample";
    chart.table.classes = "";
    page_chart_begin(&chart, part->file);
    for (unsigned i = 0; i < count; i++) {
        page_column(columns[i].name, part->file);
    }
    page_rows(part->file);
    for (unsigned point = 0; point < part->source->points; point++) {
        report_part_row(part, point);
        for (unsigned i = 0; i < count; i++) {
            columns[i].cell(part, point, columns[i].argument);
        }
    }
    page_chart_end(part->file);
}

/* --- bytes by bucket --- */

static bool report_part_is_used(const struct snapshot_figures *figures)
{
    return figures->carved > 0 || figures->requests > 0 || figures->fell_through > 0;
}

static void report_part_bucket_cell(const struct report_part *part, unsigned point, unsigned bucket)
{
    page_cell_bytes(part->source->point[point].snapshot.bucket[bucket].resident, part->file);
}

void report_part_buckets(const struct report_part *part, const char *id)
{
    struct report_column columns[BUCKET_LIMIT];
    const struct snapshot *last = &part->source->last.snapshot;
    unsigned count = 0;
    for (unsigned bucket = 0; bucket < last->buckets; bucket++) {
        if (report_part_is_used(&last->bucket[bucket])) {
            columns[count++] =
                (struct report_column){part->source->plan.label[bucket], report_part_bucket_cell, bucket};
        }
    }
    if (count == 0) {
        fputs("<p>No bucket was used.</p>\n", part->file);
        return;
    }
    report_part_over_time(part,
                          (struct page_chart){.id = id,
                                              .kind = "stack",
                                              .unit = "bytes",
                                              .words = "Resident bytes of the slots of each bucket that was used, in "
                                                       "use or free. The areas stand on each other, so the upper edge "
                                                       "is the sum.",
                                              .table = {.caption = "resident MiB by bucket"}},
                          columns, count);
}

/* --- requests by size --- */

/* For each bucket, writes the largest request in bytes that its slots hold, and its label, as in "8192=4k;12288=8k". */
static void report_part_say_edges(const struct bucket_plan *plan, struct text *text)
{
    for (unsigned bucket = 0; bucket < plan->count && bucket < BUCKET_LIMIT; bucket++) {
        text_add(text, "%zu=%s;", plan->capacity[bucket], plan->label[bucket]);
    }
}

/* Returns the label of the bucket that serves requests of `request` bytes. */
static const char *report_part_bucket_of(const struct bucket_plan *plan, size_t request)
{
    unsigned bucket = 0;
    while (bucket < plan->count && bucket < BUCKET_LIMIT && plan->capacity[bucket] < request) {
        bucket++;
    }
    bool has_bucket = request >= plan->minimum && request <= plan->maximum && bucket < plan->count;
    return has_bucket && bucket < BUCKET_LIMIT ? plan->label[bucket] : "none";
}

static void report_part_steps(const struct report_part *part, const struct histogram_figures *sizes)
{
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        if (sizes->count[step] > 0) {
            char name[REPORT_WORDS_SIZE];
            size_t from = step > 0 ? histogram_end(step - 1) : 0;
            snprintf(name, sizeof name, "%zu", histogram_end(step));
            page_chart_row(name, (double)histogram_end(step), part->file);
            page_cell_count(from, part->file);
            page_cell_count(sizes->count[step], part->file);
            page_cell_text(report_part_bucket_of(&part->source->plan, histogram_end(step)), part->file);
        }
    }
}

void report_part_sizes(const struct report_part *part, const char *id)
{
    const struct histogram_figures *sizes = &part->source->last.snapshot.sizes;
    char marks[REPORT_WORDS_SIZE];
    struct text text = text_begin(marks, sizeof marks);
    bool has_any = false;
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        has_any = has_any || sizes->count[step] > 0;
    }
    if (!has_any) {
        fputs("<p>No request was sampled.</p>\n", part->file);
        return;
    }
    char names[IDS_SIZE];
    report_part_names(part, id, names);
    report_part_say_edges(&part->source->plan, &text);
    const struct page_chart chart = {
        .id = id,
        .kind = "sizes",
        .unit = "count",
        .places = "size",
        .words = report_part_counts_small(part->source)
                     ? "Requests since the start by their size, estimated from a sample. A broken line is the largest "
                       "request of a bucket's slots."
                     : "Requests since the start by their size, estimated from a sample of those of at least 2048 "
                       "bytes. A broken line is the largest request of a bucket's slots.",
        .marks = marks,
        .is_drawn = true,
        .table = {.caption = "requests by size in bytes", .first = "up to", .classes = "", .names = names}};
    page_chart_begin(&chart, part->file);
    page_column("more than", part->file);
    page_column("requests", part->file);
    page_column("bucket", part->file);
    page_rows(part->file);
    report_part_steps(part, sizes);
    page_chart_end(part->file);
}

/* --- residency against live slots --- */

static void report_part_resident_cell(const struct report_part *part, unsigned point, unsigned unused)
{
    (void)unused;
    page_cell_bytes(report_part_total(part, point)->resident, part->file);
}

static void report_part_resident_live_cell(const struct report_part *part, unsigned point, unsigned unused)
{
    (void)unused;
    page_cell_bytes(report_part_total(part, point)->resident_live, part->file);
}

static void report_part_live_cell(const struct report_part *part, unsigned point, unsigned unused)
{
    (void)unused;
    const struct snapshot *snapshot = &part->source->point[point].snapshot;
    uint64_t bytes = 0;
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        bytes += snapshot->bucket[bucket].live * part->source->plan.capacity[bucket];
    }
    page_cell_bytes(bytes, part->file);
}

void report_part_residency(const struct report_part *part, const char *id)
{
    static const struct report_column columns[] = {{"resident", report_part_resident_cell, 0},
                                                   {"resident_live", report_part_resident_live_cell, 0},
                                                   {"live slots", report_part_live_cell, 0}};
    report_part_over_time(
        part,
        (struct page_chart){.id = id,
                            .kind = "lines",
                            .unit = "bytes",
                            .words = "The resident bytes of the pools, those of them that lie in slots in use, and the "
                                     "whole size of these slots. Between the first two lines is memory of free slots; "
                                     "between the last two are pages of slots in use that were never touched.",
                            .table = {.caption = "resident MiB and MiB of live slots"}},
        columns, sizeof columns / sizeof columns[0]);
}

/* --- resident memory explained --- */

/*
 * The parts of the resident memory, in the order in which `sockmalloc stat` prints them. MEMORY_RSS is the sum of the
 * others.
 */
enum report_memory { MEMORY_LIVE, MEMORY_FREE, MEMORY_PURGED, MEMORY_SMALL, MEMORY_REST, MEMORY_RSS };

static uint64_t report_part_memory(const struct recording_sample *sample, enum report_memory which)
{
    const struct snapshot_figures *total = &sample->snapshot.total;
    uint64_t pools = snapshot_sum(snapshot_sum(total->resident_live, total->resident_free), total->resident_purged);
    uint64_t known = snapshot_sum(pools, sample->memory.small);
    const uint64_t parts[] = {[MEMORY_LIVE] = total->resident_live,
                              [MEMORY_FREE] = total->resident_free,
                              [MEMORY_PURGED] = total->resident_purged,
                              [MEMORY_SMALL] = sample->memory.small,
                              [MEMORY_REST] =
                                  known == SNAPSHOT_UNKNOWN ? known : EXCESS(sample->memory.resident, known),
                              [MEMORY_RSS] = sample->memory.resident};
    return parts[which];
}

static void report_part_memory_cell(const struct report_part *part, unsigned point, unsigned which)
{
    page_cell_bytes(report_part_memory(&part->source->point[point], (enum report_memory)which), part->file);
}

void report_part_rss(const struct report_part *part, const char *id)
{
    static const struct report_column columns[] = {{"resident_live", report_part_memory_cell, MEMORY_LIVE},
                                                   {"resident_free", report_part_memory_cell, MEMORY_FREE},
                                                   {"resident_purged", report_part_memory_cell, MEMORY_PURGED},
                                                   {"small", report_part_memory_cell, MEMORY_SMALL},
                                                   {"rest", report_part_memory_cell, MEMORY_REST}};
    if (part->source->last.memory.resident == SNAPSHOT_UNKNOWN) {
        fputs("<p>Unknown: statistics that a process has written itself do not have it, and recordings do.</p>\n",
              part->file);
        return;
    }
    report_part_over_time(
        part,
        (struct page_chart){.id = id,
                            .kind = "stack",
                            .unit = "bytes",
                            .words = "All resident memory of the processes: slots in use, free slots and purged slots "
                                     "of the pools; small, which is mimalloc's; and the rest, such as the program, its "
                                     "libraries and stacks. The upper edge is the RSS that the kernel counts.",
                            .table = {.caption = "resident MiB by use"}},
        columns, sizeof columns / sizeof columns[0]);
}

/* --- hit ratio --- */

/*
 * Returns by how much the counter at the offset `counter` has grown between the previous point of the chart and
 * `point`, divided by the requests that the pools have served in this time. If `of_all` is true, the divisor also
 * contains the requests that fell through. The result is at most 1, and NAN if there were no requests.
 */
static double report_part_rate(const struct report_part *part, unsigned point, size_t counter, bool of_all)
{
    static const struct snapshot_figures none;
    const struct snapshot_figures *now = report_part_total(part, point);
    const struct snapshot_figures *before = point > 0 ? report_part_total(part, point - 1) : &none;
    uint64_t all = EXCESS(now->requests, before->requests);
    all += of_all ? EXCESS(now->fell_through, before->fell_through) : 0;
    const char *at = (const char *)now + counter;
    const char *was = (const char *)before + counter;
    uint64_t count = EXCESS(*(const uint64_t *)(const void *)at, *(const uint64_t *)(const void *)was);
    return all == 0 ? (double)NAN : fmin((double)count / (double)all, 1);
}

static void report_part_rate_cell(const struct report_part *part, unsigned point, unsigned counter)
{
    page_cell_share(report_part_rate(part, point, counter, counter == offsetof(struct snapshot_figures, fell_through)),
                    part->file);
}

void report_part_hits(const struct report_part *part, const char *id)
{
    static const struct report_column columns[] = {
        {"cache_hits", report_part_rate_cell, offsetof(struct snapshot_figures, cache_hits)},
        {"depot_hits", report_part_rate_cell, offsetof(struct snapshot_figures, depot_hits)},
        {"fell_through", report_part_rate_cell, offsetof(struct snapshot_figures, fell_through)}};
    report_part_over_time(
        part,
        (struct page_chart){.id = id,
                            .kind = "lines",
                            .unit = "share",
                            .words =
                                "Which part of the requests that the pools served since the point before came from "
                                "a cache, and which from the depot or a stack; and which part of all requests of "
                                "the buckets' sizes got no slot. The first point counts from the start.",
                            .table = {.caption = "percent of requests"}},
        columns, sizeof columns / sizeof columns[0]);
}

/* --- tables --- */

static void report_part_table_row(const struct report_part *part, unsigned bucket)
{
    const struct snapshot *snapshot = &part->source->last.snapshot;
    bool is_total = bucket == snapshot->buckets;
    const struct snapshot_figures *figures = is_total ? &snapshot->total : &snapshot->bucket[bucket];
    page_row(is_total ? "total" : part->source->plan.label[bucket], part->file);
    if (is_total) {
        page_cell_text("", part->file);
    } else {
        page_cell_count(part->source->plan.capacity[bucket], part->file);
    }
    page_cell_count(figures->live, part->file);
    page_cell_count(figures->requests, part->file);
    page_cell_share((double)snapshot_filled(snapshot, &part->source->plan, bucket) / SNAPSHOT_WHOLE, part->file);
    page_cell_bytes(figures->resident_live, part->file);
    page_cell_bytes(figures->resident_free, part->file);
    page_cell_count(figures->fell_through, part->file);
}

void report_part_table(const struct report_part *part, const char *id)
{
    static const char *const names[] = {"capacity",          "live",        "requests", "filled", "resident_live MiB",
                                        "resident_free MiB", "fell_through"};
    const struct snapshot *snapshot = &part->source->last.snapshot;
    char ids[IDS_SIZE];
    report_part_names(part, id, ids);
    page_table_begin(
        &(struct page_table){.caption = "buckets that were used", .first = "bucket", .classes = "", .names = ids},
        part->file);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        page_column(names[i], part->file);
    }
    page_rows(part->file);
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        if (report_part_is_used(&snapshot->bucket[bucket])) {
            report_part_table_row(part, bucket);
        }
    }
    report_part_table_row(part, snapshot->buckets);
    page_table_end(part->file);
}

static char *report_part_no_variable(const char *name)
{
    (void)name;
    return NULL;
}

void report_part_settings(const struct report_part *part, const char *id)
{
    static struct option_set defaults;
    char names[IDS_SIZE];
    report_part_names(part, id, names);
    option_read(&defaults, report_part_no_variable, NULL);
    page_table_begin(
        &(struct page_table){.caption = "settings in force", .first = "setting", .classes = "words", .names = names},
        part->file);
    page_column("value", part->file);
    page_column("default", part->file);
    page_column("what it does", part->file);
    page_rows(part->file);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        char initial[SETTING_PATH_SIZE];
        struct text text = text_begin(initial, sizeof initial);
        option_print(&defaults, (enum option)i, &text);
        const char *value = part->source->settings[i];
        page_row(option_variable((enum option)i), part->file);
        page_cell_text(value != NULL ? value : "unknown", part->file);
        page_cell_text(value != NULL && strcmp(value, initial) == 0 ? "yes" : initial, part->file);
        page_cell_text(option_help((enum option)i), part->file);
    }
    page_table_end(part->file);
}

/* --- advice --- */

static void report_part_advice_row(const struct report_part *part, const struct advice *advice)
{
    char setting[sizeof advice->setting + sizeof advice->value];
    char words[2 * REPORT_WORDS_SIZE];
    snprintf(setting, sizeof setting, advice->value[0] != '\0' ? "%s=%s" : "%s%s", advice->setting, advice->value);
    snprintf(words, sizeof words, "%s %s", advice->text, advise_purpose(advice));
    page_row(setting, part->file);
    if (advice->saving > 0) {
        page_cell_bytes(advice->saving, part->file);
    } else {
        page_cell_text("-", part->file);
    }
    page_cell_text(words, part->file);
}

/* Writes the advice that `sockmalloc advise` would print for the file. */
void report_part_advice(const struct report_part *part, const char *id)
{
    static struct advise_result result;
    char names[IDS_SIZE];
    advise_source_judge(part->source, &result);
    fputs("<p>", part->file);
    page_text(result.verdict, part->file);
    fputs(result.count == 0 ? " No setting would save much.</p>\n" : "</p>\n", part->file);
    if (result.count == 0) {
        return;
    }
    report_part_names(part, id, names);
    page_table_begin(
        &(struct page_table){.caption = "settings to change", .first = "setting", .classes = "words", .names = names},
        part->file);
    page_column("saves MiB", part->file);
    page_column("what it does", part->file);
    page_rows(part->file);
    for (unsigned i = 0; i < result.count; i++) {
        report_part_advice_row(part, &result.advice[i]);
    }
    page_table_end(part->file);
}
