/* Prints statistics for people, in at most 80 columns: first a verdict, then the buckets and the memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/summary.h"

#include "base/bounds.h"
#include "command/shown.h"
#include "config/option.h"

/* Prints a share, given in hundredths of a percent, as a percentage with one decimal digit. */
static void summary_add_share(uint64_t share, int width, struct text *text)
{
    uint64_t tenths = (share + 5) / 10;
    text_add(text, "%*lu.%c", width - 2, (unsigned long)(tenths / 10), (char)('0' + tenths % 10));
}

/* Prints `part` of `whole` as a percentage without decimals. The percentage is rounded down, so that 100 means all. */
static void summary_add_percent(uint64_t part, unsigned __int128 whole, struct text *text)
{
    text_add(text, "%lu %%", (unsigned long)(snapshot_share(part, whole) / 100));
}

static void summary_add_range(const struct bucket_plan *plan, struct text *text)
{
    text_add_size(text, plan->minimum);
    text_add(text, " to ");
    text_add_size(text, plan->maximum);
}

void summary_print_share(const struct traffic *traffic, bool all, const struct bucket_plan *plan, struct text *text)
{
    uint64_t calls = all ? traffic_calls(traffic) : traffic->pools.calls + traffic->fallen.calls;
    uint64_t bytes = all ? traffic_bytes(traffic) : traffic->pools.bytes + traffic->fallen.bytes;
    if (calls == 0) {
        text_add(text, "has served nothing: no request of ");
        summary_add_range(plan, text);
        text_add(text, " came");
    } else {
        text_add(text, "serves ");
        summary_add_percent(traffic->pools.bytes, bytes, text);
        text_add(text, all ? " of this server's bytes, " : " of bytes, ");
        summary_add_percent(traffic->pools.calls, calls, text);
        text_add(text, all ? " of its calls" : " of calls of ");
        if (!all) {
            summary_add_range(plan, text);
        }
    }
    if (traffic->seconds > 0) {
        text_add(text, " (in %lu s)", (unsigned long)(traffic->seconds + 0.5));
    }
}

/* Prints the share of the requests that the pools serve, and the memory that the pools hold, without a line end. */
static void summary_add_judgement(const struct snapshot *snapshot, const struct bucket_plan *plan,
                                  const struct traffic *traffic, bool all, struct text *text)
{
    const struct snapshot_figures *total = &snapshot->total;
    summary_print_share(traffic, all, plan, text);
    text_add(text, "; ");
    shown_mebibytes(total->resident_live, 0, text);
    text_add(text, " MiB held, ");
    shown_mebibytes(snapshot_sum(total->resident_free, total->resident_purged), 0, text);
    text_add(text, " free");
}

void summary_add_verdict(const struct snapshot *snapshot, const struct bucket_plan *plan, bool all, struct text *text)
{
    struct traffic whole = {0};
    traffic_add(&whole, snapshot, NULL, plan);
    summary_add_judgement(snapshot, plan, &whole, all, text);
}

static bool summary_is_used(const struct snapshot_figures *figures)
{
    return figures->carved > 0 || figures->requests > 0 || figures->fell_through > 0;
}

static void summary_add_row(const struct snapshot *snapshot, const struct bucket_plan *plan, unsigned bucket,
                            struct text *text)
{
    bool all = bucket == snapshot->buckets;
    const struct snapshot_figures *figures = all ? &snapshot->total : &snapshot->bucket[bucket];
    text_add(text, "%-9s %8lu %12lu ", all ? "total" : plan->label[bucket], (unsigned long)figures->live,
             (unsigned long)figures->requests);
    summary_add_share(snapshot_filled(snapshot, plan, bucket), 7, text);
    shown_mebibytes(figures->resident_live, 14, text);
    shown_mebibytes(figures->resident_free, 14, text);
    text_add(text, " %12lu\n", (unsigned long)figures->fell_through);
}

static void summary_add_buckets(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text)
{
    text_add(text, "\n%-9s %8s %12s %7s %13s %13s %12s\n", "bucket", "live", "requests", "filled", "resident_live",
             "resident_free", "fell_through");
    text_add(text, "%-9s %8s %12s %7s %13s %13s %12s\n", "", "slots", "", "%", "MiB", "MiB", "requests");
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        if (summary_is_used(&snapshot->bucket[bucket])) {
            summary_add_row(snapshot, plan, bucket, text);
        }
    }
    summary_add_row(snapshot, plan, snapshot->buckets, text);
}

static void summary_add_part(const char *name, uint64_t bytes, const char *help, struct text *text)
{
    text_add(text, "%-16s", name);
    shown_mebibytes(bytes, 9, text);
    text_add(text, "  %s\n", help);
}

/*
 * Prints the parts of the resident memory of the processes. The pools are measured a moment before the whole memory.
 * Under load, the part that is neither pools nor mimalloc may therefore be wrong by the change in between.
 */
static void summary_add_memory(const struct snapshot *snapshot, const struct remote_memory *memory, struct text *text)
{
    const struct snapshot_figures *total = &snapshot->total;
    uint64_t pools = snapshot_sum(snapshot_sum(total->resident_live, total->resident_free), total->resident_purged);
    bool known = pools != SNAPSHOT_UNKNOWN;
    text_add(text, "\n%-16s%9s\n", "memory", "MiB");
    summary_add_part("resident_live", total->resident_live, "slots in use", text);
    summary_add_part("resident_free", total->resident_free, "free slots, whose pages were not purged yet", text);
    if (total->resident_purged != 0) {
        summary_add_part("resident_purged", total->resident_purged, "purged slots", text);
    }
    summary_add_part("small", memory->small, "mimalloc's: what the pools do not serve", text);
    summary_add_part("rest", known ? EXCESS(memory->resident, pools + memory->small) : SNAPSHOT_UNKNOWN,
                     "program, libraries, stacks, tables of the pools", text);
    summary_add_part("rss", memory->resident,
                     snapshot->processes > 1 ? "sum of all processes; shared pages count in each"
                                             : "all, as the kernel counts",
                     text);
}

/* Prints the settings that were changed while the program ran, with their present values. */
static void summary_add_changed(struct text *text)
{
    text_add(text, "\nchanged while the program ran:");
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (option_was_changed(&options, (enum option)i)) {
            text_add(text, " %s=", option_variable((enum option)i));
            option_print(&options, (enum option)i, text);
        }
    }
    text_add(text, "\n");
}

void summary_print(const struct snapshot *snapshot, const struct bucket_plan *plan, const struct summary_facts *facts,
                   struct text *text)
{
    text_add_shown(text, snapshot->program);
    text_add(text, ", process %d", snapshot->process);
    if (snapshot->processes > 1) {
        text_add(text, " and %lu more", (unsigned long)snapshot->processes - 1);
    }
    text_add(text, ": sockmalloc %s\n", PACKAGE_VERSION);
    if (snapshot->buckets == 0) {
        text_add(text, "the pools are off: every request falls through to mimalloc\n");
    } else {
        if (facts->traffic != NULL) {
            summary_add_judgement(snapshot, plan, facts->traffic, true, text);
        } else {
            summary_add_verdict(snapshot, plan, options.number[OPTION_SAMPLE_SMALL] != 0, text);
        }
        text_add(text, "\n");
        summary_add_buckets(snapshot, plan, text);
    }
    if (facts->memory != NULL) {
        summary_add_memory(snapshot, facts->memory, text);
    }
    if (options.changed != 0) {
        summary_add_changed(text);
    }
    if (!facts->same_settings) {
        text_add(text, "\nThe processes have different settings, which --each --wide shows.\n");
    }
}

void summary_print_heading(const char *first, struct text *text)
{
    text_add(text, "%9s %7s %13s %13s %8s %10s %14s\n", first, "live", "resident_live", "resident_free", "rss",
             "requests/s", "fell_through/s");
}

static void summary_add_rate(bool known, double rate, int width, struct text *text)
{
    if (known) {
        text_add(text, " %*lu", width, (unsigned long)(rate + 0.5));
    } else {
        text_add(text, " %*s", width, "-");
    }
}

void summary_print_step(const struct summary_step *step, const struct snapshot_figures *total,
                        const struct remote_memory *memory, struct text *text)
{
    text_add(text, "%9s %7lu", step->first, (unsigned long)total->live);
    shown_mebibytes(total->resident_live, 14, text);
    shown_mebibytes(total->resident_free, 14, text);
    shown_mebibytes(memory != NULL ? memory->resident : SNAPSHOT_UNKNOWN, 9, text);
    summary_add_rate(step->has_rates, step->requests, 10, text);
    summary_add_rate(step->has_rates, step->fell_through, 14, text);
    text_add(text, "\n");
}
