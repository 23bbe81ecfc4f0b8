/* Prints the samples of a recording in their order: as a timeline for people, and as CSV. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/recording_series.h"

#include <stdio.h>
#include <time.h>

#include "base/bounds.h"
#include "command/summary.h"

/*
 * Splits a time, in nanoseconds since 1970, into year, month, day and so on. A damaged file may hold a time for which
 * gmtime_r fails; then the day of the month is 1, and all other parts are 0.
 */
static struct tm split_time(uint64_t nanoseconds)
{
    time_t seconds = (time_t)(nanoseconds / UINT64_C(1000000000));
    struct tm parts = {.tm_mday = 1};
    gmtime_r(&seconds, &parts);
    return parts;
}

void recording_time(uint64_t nanoseconds, char text[RECORDING_TIME_SIZE])
{
    struct tm parts = split_time(nanoseconds);
    unsigned milliseconds = (unsigned)(nanoseconds / 1000000 % 1000);
    size_t used = strftime(text, RECORDING_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, RECORDING_TIME_SIZE - used, ".%03uZ", milliseconds);
}

static void print_heading(const struct recording_sample *sample, struct text *text)
{
    char time[RECORDING_TIME_SIZE];
    recording_time(sample->time, time);
    text_add_shown(text, sample->snapshot.program);
    text_add(text, ", process %d: recorded from %s\n", sample->snapshot.process, time);
    summary_print_heading("time", text);
}

void recording_print_step(const struct recording_sample *sample, const struct recording_sample *former,
                          struct text *text)
{
    char time[RECORDING_TIME_SIZE];
    struct tm parts = split_time(sample->time);
    strftime(time, sizeof time, "%H:%M:%SZ", &parts);
    struct summary_step step = {.first = time};
    if (former == NULL) {
        print_heading(sample, text);
    } else if (sample->time > former->time) {
        const struct snapshot_figures *now = &sample->snapshot.total;
        const struct snapshot_figures *then = &former->snapshot.total;
        double seconds = (double)(sample->time - former->time) / 1e9;
        step.has_rates = true;
        step.requests = (double)EXCESS(now->requests, then->requests) / seconds;
        step.fell_through = (double)EXCESS(now->fell_through, then->fell_through) / seconds;
    }
    summary_print_step(&step, &sample->snapshot.total, &sample->memory, text);
}

static void add_figure(uint64_t figure, struct text *text)
{
    if (figure == SNAPSHOT_UNKNOWN) {
        text_add(text, ",");
    } else {
        text_add(text, ",%lu", (unsigned long)figure);
    }
}

/* Prints a row of CSV. `whole` is NULL in the row of a bucket, because a bucket has no figures of the whole process. */
static void print_row(const char *time, const char *bucket, const struct snapshot_figures *figures,
                      const struct recording_sample *whole, struct text *text)
{
    text_add(text, "%s,%s", time, bucket);
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        add_figure(snapshot_figure(figures, &snapshot_rows[i]), text);
    }
#define CSV_FIGURE(name, type, unit, help) add_figure(whole != NULL ? whole->snapshot.name : SNAPSHOT_UNKNOWN, text);
    SNAPSHOT_PROCESS_ROWS(CSV_FIGURE)
#undef CSV_FIGURE
    add_figure(whole != NULL ? whole->memory.resident : SNAPSHOT_UNKNOWN, text);
    add_figure(whole != NULL ? whole->memory.small : SNAPSHOT_UNKNOWN, text);
    text_add(text, "\n");
}

void recording_print_csv(const struct recording_head *head, const struct recording_sample *sample, bool is_first,
                         struct text *text)
{
    char time[RECORDING_TIME_SIZE];
    recording_time(sample->time, time);
    if (is_first) {
        text_add(text, "time,bucket");
#define CSV_NAME(name, ...) text_add(text, "," #name);
        SNAPSHOT_ROWS(CSV_NAME)
        SNAPSHOT_PROCESS_ROWS(CSV_NAME)
#undef CSV_NAME
        text_add(text, ",rss,small\n");
    }
    for (unsigned bucket = 0; bucket < sample->snapshot.buckets; bucket++) {
        const struct snapshot_figures *figures = &sample->snapshot.bucket[bucket];
        if (figures->carved > 0 || figures->requests > 0 || figures->fell_through > 0) {
            print_row(time, head->plan.label[bucket], figures, NULL, text);
        }
    }
    print_row(time, "total", &sample->snapshot.total, sample, text);
}
