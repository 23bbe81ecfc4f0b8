/* Reads statistics in the format JSON for `sockmalloc report` and `sockmalloc advise`. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/report_dump.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "command/error.h"
#include "command/remote_snapshot.h"
#include "statistics/format.h"

/* The content of one line of the file: one sample of the statistics. */
struct dump_line {
    json_t *statistics;
    struct recording_sample sample;
    struct bucket_plan plan;
    char program[REMOTE_NAME_SIZE];
};

/*
 * Returns the value of a member of an object. Returns SNAPSHOT_UNKNOWN unless the member exists and is a whole number
 * of at least 0.
 */
static uint64_t dump_number(const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);
    json_int_t value = json_is_integer(member) ? json_integer_value(member) : -1;
    return value >= 0 ? (uint64_t)value : SNAPSHOT_UNKNOWN;
}

/*
 * Returns the time of a sample in nanoseconds since 1970, rounded to milliseconds. Returns 0 if the sample has no time.
 */
static uint64_t dump_time(const json_t *object)
{
    double seconds = json_number_value(json_object_get(object, "time"));
    return seconds > 0 && seconds < 1e10 ? (uint64_t)(seconds * 1000 + 0.5) * 1000000 : 0;
}

/*
 * Reads the figures of one bucket, or of all buckets together, from an object. A figure that the object lacks is set to
 * 0, because earlier versions of the library printed fewer figures.
 */
static void dump_read_figures(const json_t *object, struct snapshot_figures *figures)
{
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        uint64_t *figure = (uint64_t *)(void *)((char *)figures + snapshot_rows[i].offset);
        *figure =
            json_object_get(object, snapshot_rows[i].name) != NULL ? dump_number(object, snapshot_rows[i].name) : 0;
    }
}

static bool dump_read_buckets(const json_t *list, struct dump_line *line)
{
    size_t count = json_array_size(list);
    line->plan.count = (unsigned)count;
    line->sample.snapshot.buckets = (unsigned)count;
    for (size_t i = 0; i < count && count <= BUCKET_LIMIT; i++) {
        const json_t *bucket = json_array_get(list, i);
        const char *label = json_string_value(json_object_get(bucket, "bucket"));
        uint64_t size;
        line->plan.capacity[i] = dump_number(bucket, "capacity");
        if (label == NULL || !text_read_size(label, &size) ||
            line->plan.capacity[i] > 2 * (uint64_t)BUCKET_REQUEST_LIMIT) {
            return false;
        }
        line->plan.size[i] = size;
        dump_read_figures(bucket, &line->sample.snapshot.bucket[i]);
    }
    return json_is_array(list) && count <= BUCKET_LIMIT;
}

/* Reads the steps of the histogram. A step is identified by the largest request that it counts, in bytes. */
static void dump_read_sizes(const json_t *steps, struct histogram_figures *sizes)
{
    size_t at;
    json_t *step;
    json_array_foreach(steps, at, step)
    {
        uint64_t count = dump_number(step, "count");
        sizes->count[histogram_step(dump_number(step, "to"))] += count != SNAPSHOT_UNKNOWN ? count : 0;
    }
}

/*
 * Reads the name of the program. The library prints a byte that is not ASCII as the Unicode character with the number
 * of the byte, and the byte is restored here.
 */
static void dump_read_program(const char *name, char program[REMOTE_NAME_SIZE])
{
    size_t used = 0;
    for (const unsigned char *byte = (const unsigned char *)name; *byte != '\0' && used + 1 < REMOTE_NAME_SIZE;
         byte++) {
        bool is_two = (*byte == 0xc2 || *byte == 0xc3) && byte[1] != '\0';
        program[used++] = (char)(is_two ? (*byte & 3) << 6 | (byte[1] & 0x3f) : *byte);
        byte += is_two ? 1 : 0;
    }
    program[used] = '\0';
}

static bool dump_read_statistics(struct dump_line *line)
{
    const json_t *statistics = line->statistics;
    struct snapshot *snapshot = &line->sample.snapshot;
    const char *program = json_string_value(json_object_get(statistics, "program"));
    uint64_t process = dump_number(statistics, "process");
    if (program == NULL || process > INT32_MAX || !json_is_object(json_object_get(statistics, "total"))) {
        return false;
    }
    dump_read_program(program, line->program);
    snapshot->process = (int)process;
    line->plan.minimum = dump_number(statistics, "minimum");
    line->plan.maximum = dump_number(statistics, "maximum");
#define DUMP_PROCESS(name, type, unit, help) snapshot->name = dump_number(statistics, #name);
    SNAPSHOT_PROCESS_ROWS(DUMP_PROCESS)
#undef DUMP_PROCESS
    dump_read_figures(json_object_get(statistics, "total"), &snapshot->total);
    dump_read_sizes(json_object_get(json_object_get(statistics, "sizes"), "steps"), &snapshot->sizes);
    return dump_read_buckets(json_object_get(statistics, "buckets"), line);
}

/*
 * Returns the server of the report (its struct report_source) to which the sample of a line belongs. Adds a server if
 * there is none yet. Returns NULL if there are too many.
 */
static struct report_source *dump_find_source(struct report_sources *sources, unsigned first, const char *path,
                                              const struct dump_line *line)
{
    for (unsigned i = first; i < sources->count; i++) {
        struct report_source *source = &sources->source[i];
        if (source->process == line->sample.snapshot.process && strcmp(source->program, line->program) == 0 &&
            memcmp(source->plan.capacity, line->plan.capacity, sizeof line->plan.capacity) == 0) {
            return source;
        }
    }
    struct report_source *source = report_source_add(sources, path);
    if (source != NULL) {
        source->process = line->sample.snapshot.process;
        source->plan = line->plan;
        memcpy(source->program, line->program, sizeof source->program);
        remote_snapshot_mend_plan(&source->plan);
    }
    return source;
}

static void dump_add_settings(const json_t *configuration, struct report_source *source)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const char *value = json_string_value(json_object_get(configuration, option_variable((enum option)i)));
        if (value != NULL) {
            report_source_set(source, (enum option)i, value);
        }
    }
}

/*
 * Returns true if the process has libsockmalloc-buffers.so without the malloc. The JSON object of such a process has
 * named pools, message pages or rings, and no other figures.
 */
static bool dump_has_buffers_alone(const json_t *statistics)
{
    return json_object_get(statistics, "total") == NULL &&
           (json_object_get(statistics, "pools") != NULL || json_object_get(statistics, "messages") != NULL ||
            json_object_get(statistics, "rings") != NULL);
}

/*
 * Adds the sample of one line. Skips a line whose process has libsockmalloc-buffers alone. Returns EXIT_DONE, or prints
 * an error and returns its exit code.
 */
static enum command_exit dump_add_object(struct report_sources *sources, unsigned first, const char *path,
                                         unsigned long number, const json_t *object)
{
    static struct dump_line line;
    const json_t *statistics = json_object_get(object, "statistics");
    memset(&line, 0, sizeof line);
    line.statistics = (json_t *)(statistics != NULL ? statistics : object);
    line.sample.time = dump_time(object);
    line.sample.memory.resident = dump_number(object, "rss");
    line.sample.memory.small = dump_number(object, "small");
    uint64_t format = dump_number(line.statistics, "format");
    if (format != FORMAT_JSON_VERSION && format != SNAPSHOT_UNKNOWN) {
        return error_report(EXIT_OTHER_VERSION, "%s, line %lu: format %lu is newer than this command, %s", path, number,
                            (unsigned long)format, PACKAGE_VERSION);
    }
    if (format != SNAPSHOT_UNKNOWN && dump_has_buffers_alone(line.statistics)) {
        return EXIT_DONE;
    }
    if (format == SNAPSHOT_UNKNOWN || !dump_read_statistics(&line)) {
        return error_report(EXIT_DAMAGED, "%s, line %lu: this JSON is no statistics of sockmalloc", path, number);
    }
    struct report_source *source = dump_find_source(sources, first, path, &line);
    if (source == NULL) {
        return error_report(EXIT_DAMAGED, "%s: there is no memory for it, or there are too many processes", path);
    }
    dump_add_settings(json_object_get(line.statistics, "configuration"), source);
    report_source_add_sample(source, &line.sample);
    return EXIT_DONE;
}

enum command_exit report_dump_add(struct report_sources *sources, FILE *file, const char *path)
{
    unsigned first = sources->count;
    enum command_exit code = EXIT_DONE;
    bool is_cut = false;
    char *text = NULL;
    size_t room = 0;
    ssize_t length;
    for (unsigned long number = 1; code == EXIT_DONE && (length = getline(&text, &room, file)) > 0; number++) {
        json_error_t fault;
        json_t *object = json_loadb(text, (size_t)length, 0, &fault);
        is_cut = object == NULL && text[length - 1] != '\n';
        if (object != NULL) {
            code = dump_add_object(sources, first, path, number, object);
        } else if (!is_cut) {
            code = error_report(EXIT_DAMAGED, "%s, line %lu is no JSON: %s", path, number, fault.text);
        }
        json_decref(object);
    }
    free(text);
    for (unsigned i = first; i < sources->count; i++) {
        report_source_end(&sources->source[i]);
        sources->source[i].is_cut = is_cut;
    }
    bool has_any = sources->count > first;
    return code != EXIT_DONE || has_any ? code : error_report(EXIT_DAMAGED, "%s has no whole sample", path);
}
