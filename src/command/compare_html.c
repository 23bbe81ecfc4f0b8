/* Draws a comparison as one page of HTML that needs no other file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_html.h"

#include "base/text.h"
#include "command/compare_print.h"
#include "command/compare_verdict.h"
#include "command/page.h"

enum { WORDS_SIZE = 8192 };

typedef void describe(const struct compare_result *result, struct text *text);

/* Writes a paragraph: the HTML code `start`, and then the text that `say` writes about the comparison. */
static void print_paragraph(const struct compare_result *result, const char *start, describe *say, FILE *file)
{
    char words[WORDS_SIZE];
    struct text text = text_begin(words, sizeof words);
    say(result, &text);
    fputs(start, file);
    page_text(words, file);
    fputs("</p>\n", file);
}

static void print_dropped(const struct compare_result *result, FILE *file)
{
    for (int i = 0; i < result->count; i++) {
        const struct compare_allocator *allocator = &result->allocators[i];
        if (allocator->is_dropped) {
            fputs("<p class=\"warning\">", file);
            page_text(allocator->peer.name, file);
            fputs(" is left out: ", file);
            page_text(allocator->reason, file);
            fputs("</p>\n", file);
        }
    }
}

static void print_number(double number, const char *more, FILE *file)
{
    char shown[COMPARE_NUMBER_SIZE];
    compare_number(number, shown);
    page_cell_number(number, shown, more, file);
}

/* Writes the chart of the memory over time, with a column for each allocator. */
static void print_curves(const struct compare_result *result, FILE *file)
{
    static const char id[] = "curves";
    char mark[COMPARE_NUMBER_SIZE];
    snprintf(mark, sizeof mark, "0=%s", result->load != NULL ? "the load ends" : "the slow clients leave");
    page_heading(2, id, "Memory over time", file);
    page_chart_begin(
        &(struct page_chart){.id = id,
                             .kind = "lines",
                             .unit = "mib",
                             .places = "seconds",
                             .words = "PSS of all processes of the server, the median of the rounds.",
                             .ours = result->allocators[result->count - 1].peer.name,
                             .marks = mark,
                             .is_drawn = true,
                             .table = {.caption = "MiB over time", .first = "seconds", .classes = "", .names = id}},
        file);
    for (int i = 0; i < result->count; i++) {
        if (!result->allocators[i].is_dropped) {
            page_column(result->allocators[i].peer.name, file);
        }
    }
    page_rows(file);
    for (int step = 0; step < compare_curve_steps(result); step++) {
        char second[COMPARE_NUMBER_SIZE];
        snprintf(second, sizeof second, "%.1f", compare_curve_second(step));
        page_chart_row(second, compare_curve_second(step), file);
        for (int i = 0; i < result->count; i++) {
            if (!result->allocators[i].is_dropped) {
                print_number(compare_curve_at(&result->allocators[i], step), NULL, file);
            }
        }
    }
    page_chart_end(file);
}

/* Writes the median of a figure, and below it the least and the greatest value of the rounds. */
static void print_cell(const struct compare_result *result, struct compare_spread spread, FILE *file)
{
    char low[COMPARE_NUMBER_SIZE];
    char high[COMPARE_NUMBER_SIZE];
    char range[2 * COMPARE_NUMBER_SIZE + 4];
    compare_number(spread.low, low);
    compare_number(spread.high, high);
    snprintf(range, sizeof range, "%s to %s", low, high);
    print_number(spread.median, result->rounds > 1 ? range : NULL, file);
}

static void print_table(const struct compare_result *result, const char *id, const char *name,
                        const struct compare_table *table, FILE *file)
{
    page_heading(2, id, name, file);
    page_table_begin(&(struct page_table){.caption = name, .first = "allocator", .classes = "", .names = id}, file);
    for (int i = 0; i < table->count; i++) {
        page_column(table->title[i], file);
    }
    page_rows(file);
    for (int i = 0; i < result->count; i++) {
        const struct compare_allocator *allocator = &result->allocators[i];
        if (!allocator->is_dropped) {
            page_row(allocator->peer.name, file);
            for (int j = 0; j < table->count; j++) {
                print_cell(result, compare_spread_of(allocator, table->figure[j]), file);
            }
        }
    }
    page_table_end(file);
}

void compare_print_html(const struct compare_result *result, FILE *file)
{
    char title[WORDS_SIZE];
    struct compare_table table;
    struct text text = text_begin(title, sizeof title);
    text_add(&text, "sockmalloc compare: ");
    compare_describe_command(result, &text);
    page_begin(title, file);
    print_paragraph(result, "<p>", compare_verdict, file);
    print_paragraph(result, "<p class=\"soft\">", compare_describe_load, file);
    print_dropped(result, file);
    print_curves(result, file);
    compare_columns_of_memory(result, &table);
    print_table(result, "memory", "Memory in MiB (PSS)", &table, file);
    compare_columns_of_speed(result, &table);
    print_table(result, "speed", "Speed", &table, file);
    page_end(file);
}
