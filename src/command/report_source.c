/*
 * Holds the samples of one server that `sockmalloc report` has read from a file, reduced to as many points as a chart
 * can show.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/report_source.h"

#include <stdlib.h>
#include <string.h>

#include "command/error.h"

struct report_source *report_source_add(struct report_sources *sources, const char *path)
{
    if (sources->count == REPORT_SOURCES_MAX) {
        return NULL;
    }
    struct report_source *source = &sources->source[sources->count];
    /* one more than REPORT_POINTS, because report_source_end may add the last sample */
    source->point = malloc((REPORT_POINTS + 1) * sizeof *source->point);
    if (source->point == NULL) {
        return NULL;
    }
    sources->count++;
    source->path = path;
    source->group = 1;
    return source;
}

static uint64_t report_source_resident(const struct recording_sample *sample)
{
    uint64_t resident = sample->snapshot.total.resident;
    return resident == SNAPSHOT_UNKNOWN ? 0 : resident;
}

/*
 * Replaces each pair of neighbouring points by the one of the two points with more resident memory. The number of
 * points is REPORT_POINTS, which is even.
 */
static void report_source_thin(struct report_source *source)
{
    for (unsigned i = 0; i < source->points; i += 2) {
        bool second = report_source_resident(&source->point[i + 1]) > report_source_resident(&source->point[i]);
        source->point[i / 2] = source->point[i + (second ? 1 : 0)];
    }
    source->points /= 2;
    source->group *= 2;
}

void report_source_add_sample(struct report_source *source, const struct recording_sample *sample)
{
    uint64_t number = source->samples++;
    struct recording_sample *point = source->points > 0 ? &source->point[source->points - 1] : NULL;
    bool joins = point != NULL && point->number / source->group == number / source->group;
    if (number == 0) {
        source->first_time = sample->time;
    }
    if (!joins && source->points == REPORT_POINTS) {
        report_source_thin(source);
    }
    if (!joins) {
        point = &source->point[source->points++];
    }
    source->last = *sample;
    source->last.number = number;
    if (!joins || report_source_resident(sample) > report_source_resident(point)) {
        *point = source->last;
    }
}

void report_source_end(struct report_source *source)
{
    if (source->points > 0 && source->point[source->points - 1].number != source->last.number) {
        source->point[source->points++] = source->last;
    }
}

void report_source_set(struct report_source *source, enum option option, const char *value)
{
    free(source->settings[option]);
    source->settings[option] = strdup(value);
}

static void report_source_begin(struct report_source *source, const struct recording_head *head)
{
    memcpy(source->program, head->program, sizeof source->program);
    source->process = head->process;
    source->plan = head->plan;
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        char buffer[SETTING_PATH_SIZE];
        struct text value = text_begin(buffer, sizeof buffer);
        option_print(&options, (enum option)i, &value);
        report_source_set(source, (enum option)i, buffer);
    }
}

enum command_exit report_source_add_recording(struct report_sources *sources, FILE *file, const char *path)
{
    static struct recording_head head;
    static struct recording_sample sample;
    enum command_exit code = recording_open(file, path, &head);
    if (code != EXIT_DONE) {
        return code;
    }
    struct report_source *source = report_source_add(sources, path);
    if (source == NULL) {
        return error_report(EXIT_DAMAGED, "%s: there is no memory for it, or there are too many files", path);
    }
    report_source_begin(source, &head);
    sample.number = 0;
    enum recording_state state = recording_next(file, &head, &sample);
    while (state == RECORDING_SAMPLE) {
        report_source_add_sample(source, &sample);
        state = recording_next(file, &head, &sample);
    }
    report_source_end(source);
    source->is_cut = state == RECORDING_TRUNCATED;
    return source->samples > 0 ? EXIT_DONE : error_report(EXIT_DAMAGED, "%s has no whole sample", path);
}
