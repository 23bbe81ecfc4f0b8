/* Writes the HTML page of `sockmalloc report`: contents, an overview of all servers, and a section for each server. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/report_page.h"

#include <inttypes.h>
#include <math.h>

#include "base/bounds.h"
#include "command/page.h"
#include "command/report_part.h"
#include "command/summary.h"

/*
 * Writes the name of a server. Adds the path of its file if `has_file` is true, which it is if the page shows several
 * servers.
 */
static void report_page_name(const struct report_source *source, bool has_file, char words[REPORT_WORDS_SIZE])
{
    const struct snapshot *snapshot = &source->last.snapshot;
    char more[32] = "";
    if (snapshot->processes > 1) {
        snprintf(more, sizeof more, " and %" PRIu64 " more", snapshot->processes - 1);
    }
    snprintf(words, REPORT_WORDS_SIZE, has_file ? "%s, process %d%s, in %s" : "%s, process %d%s", source->program,
             source->process, more, source->path);
}

/* --- a server --- */

/* Writes the path of the file, the number of samples and their times. */
static void report_page_describe(const struct report_part *part)
{
    const struct report_source *source = part->source;
    fputs("<p class=\"soft\"><code>", part->file);
    page_text(source->path, part->file);
    fprintf(part->file, "</code>: %" PRIu64 " sample%s", source->samples, source->samples == 1 ? "" : "s");
    if (source->first_time != 0) {
        char from[REPORT_WORDS_SIZE];
        char to[REPORT_WORDS_SIZE];
        report_part_say_time(source->first_time, true, from);
        report_part_say_time(source->last.time, true, to);
        fprintf(part->file, ", from %s to %s UTC", from, to);
    }
    if (source->group > 1) {
        fprintf(part->file,
                ". Each point is the one of %" PRIu64
                " neighbouring samples that has the most resident memory, and the "
                "last point is the last sample",
                source->group);
    }
    fputs(".</p>\n", part->file);
    if (source->is_cut) {
        fputs("<p class=\"warning\">The end of the file is missing. This page shows the samples that are whole.</p>\n",
              part->file);
    }
}

static void report_page_verdict(const struct report_part *part)
{
    char words[REPORT_WORDS_SIZE];
    struct text text = text_begin(words, sizeof words);
    const struct snapshot *snapshot = &part->source->last.snapshot;
    if (snapshot->buckets == 0) {
        text_add(&text, "the pools are off: every request falls through to mimalloc");
    } else {
        summary_add_verdict(snapshot, &part->source->plan, report_part_counts_small(part->source), &text);
    }
    fputs("<p>At the end: ", part->file);
    page_text(words, part->file);
    fputs(".</p>\n", part->file);
}

static void report_page_server(const struct report_part *part)
{
    char id[REPORT_ID_SIZE];
    char name[REPORT_WORDS_SIZE];
    report_part_id(part, "name", id);
    report_page_name(part->source, !part->is_alone, name);
    fprintf(part->file, "<section aria-labelledby=\"%s\">\n", id);
    page_heading(2, id, name, part->file);
    report_page_describe(part);
    report_page_verdict(part);
#define REPORT_PART(name, heading)                                                                                     \
    report_part_id(part, #name, id);                                                                                   \
    page_heading(3, id, heading, part->file);                                                                          \
    report_part_##name(part, id);
    REPORT_PART_ROWS(REPORT_PART)
#undef REPORT_PART
    fputs("</section>\n", part->file);
}

/* --- the page --- */

/*
 * Writes the contents of the page: links to the heading of each server, and to the headings of its charts and tables.
 */
static void report_page_contents(const struct report_sources *sources, FILE *file)
{
    fputs("<nav aria-label=\"Contents\">\n<ul>\n", file);
    for (unsigned i = 0; i < sources->count; i++) {
        char name[REPORT_WORDS_SIZE];
        report_page_name(&sources->source[i], sources->count > 1, name);
        fprintf(file, "<li><a href=\"#server%u-name\">", i + 1);
        page_text(name, file);
        fputs("</a>\n<ul>", file);
#define REPORT_LINK(name, heading) fprintf(file, "<li><a href=\"#server%u-" #name "\">" heading "</a></li>\n", i + 1);
        REPORT_PART_ROWS(REPORT_LINK)
#undef REPORT_LINK
        fputs("</ul></li>\n", file);
    }
    fputs("</ul>\n</nav>\n", file);
}

static uint64_t report_page_peak(const struct report_source *source)
{
    uint64_t peak = 0;
    for (unsigned i = 0; i < source->points; i++) {
        uint64_t resident = source->point[i].snapshot.total.resident;
        peak = resident != SNAPSHOT_UNKNOWN ? GREATER(peak, resident) : peak;
    }
    return peak;
}

static void report_page_overview_row(const struct report_source *source, FILE *file)
{
    const struct recording_sample *last = &source->last;
    const struct snapshot_figures *total = &last->snapshot.total;
    char name[REPORT_WORDS_SIZE];
    double calls = (double)total->requests + (double)total->fell_through;
    report_page_name(source, true, name);
    page_row(name, file);
    page_cell_count(source->samples, file);
    page_cell_bytes(report_page_peak(source), file);
    page_cell_bytes(total->resident, file);
    page_cell_bytes(last->memory.resident, file);
    page_cell_count(total->requests, file);
    page_cell_share(calls > 0 ? (double)total->requests / calls : (double)NAN, file);
    page_cell_share(total->requests > 0 ? (double)total->cache_hits / (double)total->requests : (double)NAN, file);
}

/* Writes a table with a row for each server. */
static void report_page_overview(const struct report_sources *sources, FILE *file)
{
    static const char *const names[] = {
        "samples", "most resident MiB", "resident MiB at the end", "RSS MiB at the end", "requests",
        "served",  "cache_hits"};
    page_heading(2, "overview", "Overview", file);
    page_table_begin(
        &(struct page_table){.caption = "all servers", .first = "server", .classes = "", .names = "overview"}, file);
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        page_column(names[i], file);
    }
    page_rows(file);
    for (unsigned i = 0; i < sources->count; i++) {
        report_page_overview_row(&sources->source[i], file);
    }
    page_table_end(file);
}

void report_page_print(const struct report_sources *sources, FILE *file)
{
    char title[REPORT_WORDS_SIZE];
    if (sources->count == 1) {
        snprintf(title, sizeof title, "sockmalloc report: %s", sources->source[0].program);
    } else {
        snprintf(title, sizeof title, "sockmalloc report: %u servers", sources->count);
    }
    page_begin(title, file);
    report_page_contents(sources, file);
    if (sources->count > 1) {
        report_page_overview(sources, file);
    }
    for (unsigned i = 0; i < sources->count; i++) {
        report_page_server(&(struct report_part){
            .source = &sources->source[i], .number = i + 1, .is_alone = sources->count == 1, .file = file});
    }
    page_end(file);
}
