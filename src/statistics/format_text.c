/* Prints a snapshot as tables for a person to read. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/format.h"

#include "config/option.h"

/* Prints `share`, which is in ten-thousandths, as a percentage such as "80.03", in at least `width` characters. */
static void table_add_percent(uint64_t share, int width, struct text *text)
{
    text_add(text, "%*lu.%c%c", width - 3, (unsigned long)(share / 100), (char)('0' + share / 10 % 10),
             (char)('0' + share % 10));
}

/* Prints a figure, or the word "unknown", so that it ends at the end of its column. */
static void table_add_figure(uint64_t figure, int width, struct text *text)
{
    if (figure == SNAPSHOT_UNKNOWN) {
        text_add(text, " %*s", width, "unknown");
    } else {
        text_add(text, " %*lu", width, (unsigned long)figure);
    }
}

/* Prints the row of one bucket or, if `bucket` is snapshot->buckets, that of all buckets together. */
static void table_add_slot_row(const struct snapshot *snapshot, const struct bucket_plan *plan, unsigned bucket,
                               struct text *text)
{
    bool all = bucket == snapshot->buckets;
    const struct snapshot_figures *figures = all ? &snapshot->total : &snapshot->bucket[bucket];
    if (all) {
        text_add(text, "%-8s %10s", "total", "-");
    } else {
        text_add(text, "%-8s %10zu", plan->label[bucket], plan->capacity[bucket]);
    }
#define TABLE_FIGURE(name, width, type, unit, help) table_add_figure(figures->name, width, text);
    SNAPSHOT_SLOT_ROWS(TABLE_FIGURE)
#define TABLE_SHARE(name, width, help)                                                                                 \
    text_add(text, " ");                                                                                               \
    table_add_percent(snapshot_##name(snapshot, plan, bucket), (width)-1, text);                                       \
    text_add(text, "%%");
    SNAPSHOT_SHARE_ROWS(TABLE_SHARE)
#undef TABLE_SHARE
    text_add(text, "\n");
}

static void table_add_cache_figures(const struct snapshot_figures *figures, struct text *text)
{
    SNAPSHOT_CACHE_ROWS(TABLE_FIGURE)
#undef TABLE_FIGURE
    text_add(text, "\n");
}

static void table_add_slots(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text)
{
    text_add(text, "%-8s %10s", "bucket", "capacity");
#define TABLE_HEADING(name, width, type, unit, help) text_add(text, " %*s", width, #name);
    SNAPSHOT_SLOT_ROWS(TABLE_HEADING)
#define TABLE_SHARE_HEADING(name, width, help) text_add(text, " %*s", width, #name);
    SNAPSHOT_SHARE_ROWS(TABLE_SHARE_HEADING)
#undef TABLE_SHARE_HEADING
    text_add(text, "\n");
    for (unsigned bucket = 0; bucket <= snapshot->buckets; bucket++) {
        table_add_slot_row(snapshot, plan, bucket, text);
    }
}

/* Prints the second table: how slots move between the caches, and how the quotas of the caches change. */
static void table_add_caches(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text)
{
    text_add(text, "%-8s", "caches");
    SNAPSHOT_CACHE_ROWS(TABLE_HEADING)
#undef TABLE_HEADING
    text_add(text, "\n");
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        text_add(text, "%-8s", plan->label[bucket]);
        table_add_cache_figures(&snapshot->bucket[bucket], text);
    }
    text_add(text, "%-8s", "total");
    table_add_cache_figures(&snapshot->total, text);
    text_add(text, "quotas allow the caches %lu of %lu bytes; pool in force: ", (unsigned long)snapshot->charged,
             (unsigned long)snapshot->budget);
    setting_print(SETTING_POOL, snapshot->kind, text);
    text_add(text, "\nmemory was nearly used up %lu times, and pages were purged for that\n",
             (unsigned long)snapshot->pressure_highs);
}

/* Prints "16640:1021" (1021 requests of up to 16640 bytes) for each step of the histogram that has requests. */
static void table_add_sizes(const struct histogram_figures *sizes, struct text *text)
{
    const char *before = "requests by size, from a sample:";
    for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
        if (sizes->count[step] > 0) {
            text_add(text, "%s %zu:%lu", before, histogram_end(step), (unsigned long)sizes->count[step]);
            before = "";
        }
    }
    text_add(text, before[0] == '\0' ? "\n" : "");
}

void format_print_served_share(const struct snapshot_figures *total, const struct bucket_plan *plan, struct text *text)
{
    unsigned __int128 all = (unsigned __int128)total->asked + total->fell_through_asked;
    text_add(text, "pools served ");
    table_add_percent(snapshot_share(total->asked, all), 0, text);
    text_add(text, " %% of the bytes asked for in requests of %zu to %zu bytes\n", plan->minimum, plan->maximum);
}

void format_print_text(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text)
{
    text_add(text, "sockmalloc %s: statistics of ", PACKAGE_VERSION);
    text_add_shown(text, snapshot->program);
    text_add(text, ", process %d", snapshot->process);
    if (snapshot->processes > 1) {
        text_add(text, " and %lu more; peak is the sum of the peaks of each", (unsigned long)snapshot->processes - 1);
    }
    text_add(text, "\n");
    if (snapshot->buckets == 0) {
        text_add(text, "the pools are off: every request falls through to mimalloc\n");
    } else {
        table_add_slots(snapshot, plan, text);
        table_add_caches(snapshot, plan, text);
        format_print_served_share(&snapshot->total, plan, text);
        table_add_sizes(&snapshot->sizes, text);
    }
    text_add(text, "configuration: ");
    option_print_all(&options, text);
    text_add(text, "\n");
    if (options.changed != 0) {
        text_add(text, "changed while the program ran: ");
        option_print_changed(&options, "", " ", text);
        text_add(text, "\n");
    }
}

void format_print_text_end(const struct snapshot *snapshot, struct text *text)
{
    text_add(text, "end of statistics of process %d\n", snapshot->process);
}
