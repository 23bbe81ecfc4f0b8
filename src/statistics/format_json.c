/* Prints a snapshot as JSON: one object on one line, so that a program can read a file of snapshots line by line. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/option.h"
#include "statistics/format.h"

void format_print_json_string(const char *string, struct text *text)
{
    text_add(text, "\"");
    for (const char *at = string; *at != '\0'; at++) {
        unsigned character = (unsigned char)*at;
        if (character < 0x20 || character > 0x7e) {
            text_add(text, "\\u00%s%x", character < 0x10 ? "0" : "", character);
        } else {
            text_add(text, "%s%c", character == '"' || character == '\\' ? "\\" : "", *at);
        }
    }
    text_add(text, "\"");
}

/* Prints the figures of one bucket or, if `bucket` is snapshot->buckets, those of all buckets together. */
static void json_add_figures(const struct snapshot *snapshot, const struct bucket_plan *plan, unsigned bucket,
                             struct text *text)
{
    const struct snapshot_figures *figures = bucket == snapshot->buckets ? &snapshot->total : &snapshot->bucket[bucket];
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        const struct snapshot_row *row = &snapshot_rows[i];
        uint64_t figure = snapshot_figure(figures, row);
        if (figure == SNAPSHOT_UNKNOWN) {
            text_add(text, ",\"%s\":null", row->name);
        } else {
            text_add(text, ",\"%s\":%lu", row->name, (unsigned long)figure);
        }
    }
#define JSON_SHARE(name, width, help)                                                                                  \
    text_add(text, ",\"" #name "\":");                                                                                 \
    format_print_share(snapshot_##name(snapshot, plan, bucket), text);
    SNAPSHOT_SHARE_ROWS(JSON_SHARE)
#undef JSON_SHARE
}

static void json_add_buckets(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text)
{
    text_add(text, ",\"buckets\":[");
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        text_add(text, "%s{\"bucket\":\"%s\",\"capacity\":%zu", bucket > 0 ? "," : "", plan->label[bucket],
                 plan->capacity[bucket]);
        json_add_figures(snapshot, plan, bucket, text);
        text_add(text, "}");
    }
    text_add(text, "]");
}

/* Prints the steps of the histogram that have requests. Empty steps are left out to keep the line short. */
static void json_add_sizes(const struct histogram_figures *sizes, struct text *text)
{
    const char *before = "";
    text_add(text, ",\"sizes\":{\"sum\":%lu,\"steps\":[", (unsigned long)sizes->sum);
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        if (sizes->count[step] > 0) {
            text_add(text, "%s{\"to\":%zu,\"count\":%lu}", before, histogram_end(step),
                     (unsigned long)sizes->count[step]);
            before = ",";
        }
    }
    text_add(text, "]}");
}

static void json_add_configuration(struct text *text)
{
    char buffer[SETTING_PATH_SIZE];
    text_add(text, ",\"configuration\":{");
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        struct text value = text_begin(buffer, sizeof buffer);
        option_print(&options, (enum option)i, &value);
        text_add(text, "%s\"%s\":", i > 0 ? "," : "", option_variable((enum option)i));
        format_print_json_string(buffer, text);
    }
    text_add(text, "},\"changed\":[");
    option_print_changed(&options, "\"", ",", text);
    text_add(text, "]");
}

void format_print_json(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text)
{
    text_add(text, "{\"format\":%d,\"version\":\"%s\",\"program\":", (int)FORMAT_JSON_VERSION, PACKAGE_VERSION);
    format_print_json_string(snapshot->program, text);
    text_add(text, ",\"process\":%d,\"active\":%s,\"pool\":\"", snapshot->process,
             snapshot->buckets > 0 ? "true" : "false");
    setting_print(SETTING_POOL, snapshot->kind, text);
    text_add(text, "\",\"minimum\":%zu,\"maximum\":%zu", plan->minimum, plan->maximum);
#define JSON_FIGURE(name, type, unit, help) text_add(text, ",\"" #name "\":%lu", (unsigned long)snapshot->name);
    SNAPSHOT_PROCESS_ROWS(JSON_FIGURE)
#undef JSON_FIGURE
    json_add_buckets(snapshot, plan, text);
    text_add(text, ",\"total\":{\"buckets\":%u", snapshot->buckets);
    json_add_figures(snapshot, plan, snapshot->buckets, text);
    text_add(text, "}");
    json_add_sizes(&snapshot->sizes, text);
    json_add_configuration(text);
    text_add(text, "}\n");
}
