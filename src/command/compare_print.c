/*
 * Prints a comparison for people: a table of speed, a table of memory, curves of the memory over time, and the verdict.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_print.h"

#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/bounds.h"
#include "command/compare_verdict.h"

enum { NAME_WIDTH = 11, LINE_WIDTH = 80, LEVELS = 8, CURVE_WIDTH = 64, RANGE_WIDTH = 6, WORDS_SIZE = 4096 };

/* --- the columns --- */

static void add_column(struct compare_table *table, enum compare_figure figure, const char *title)
{
    table->figure[table->count] = figure;
    snprintf(table->title[table->count], COMPARE_NUMBER_SIZE, "%s", title);
    table->count++;
}

static bool is_known(const struct compare_result *result, enum compare_figure figure)
{
    return !isnan(compare_spread_of(&result->allocators[result->count - 1], figure).median);
}

void compare_columns_of_speed(const struct compare_result *result, struct compare_table *table)
{
    table->count = 0;
    if (is_known(result, COMPARE_RATE)) {
        add_column(table, COMPARE_RATE, "requests/s");
        add_column(table, COMPARE_CPU, "CPU us/request");
        add_column(table, COMPARE_FAULTS, "faults/request");
    } else {
        add_column(table, COMPARE_LOAD_SECONDS, "load s");
        add_column(table, COMPARE_LOAD_CPU, "CPU s");
        add_column(table, COMPARE_LOAD_FAULTS, "faults");
    }
    if (is_known(result, COMPARE_P99)) {
        add_column(table, COMPARE_P99, "p99 ms");
    }
}

void compare_columns_of_memory(const struct compare_result *result, struct compare_table *table)
{
    char title[COMPARE_NUMBER_SIZE];
    table->count = 0;
    add_column(table, COMPARE_START, "at start");
    if (result->load == NULL) {
        add_column(table, COMPARE_STEADY, "before burst");
    }
    add_column(table, COMPARE_PEAK, "peak");
    snprintf(title, sizeof title, "%g s after", result->soon);
    add_column(table, COMPARE_SOON, title);
    snprintf(title, sizeof title, "%g s after", result->late);
    add_column(table, COMPARE_LATE, title);
}

void compare_number(double value, char text[COMPARE_NUMBER_SIZE])
{
    if (isnan(value)) {
        snprintf(text, COMPARE_NUMBER_SIZE, "-");
        return;
    }
    int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3;
    snprintf(text, COMPARE_NUMBER_SIZE, "%.*f", decimals, value);
}

/* --- words --- */

void compare_describe_command(const struct compare_result *result, struct text *text)
{
    for (char *const *word = result->command; *word != NULL; word++) {
        /* quotes around a word that is empty or has blanks show where it begins and ends */
        const char *quote = (*word)[0] == '\0' || strchr(*word, ' ') != NULL ? "'" : "";
        text_add(text, "%s%s", word == result->command ? "" : " ", quote);
        text_add_shown(text, *word);
        text_add(text, "%s", quote);
    }
}

static void add_seconds(struct text *text, double seconds)
{
    char number[COMPARE_NUMBER_SIZE];
    snprintf(number, sizeof number, "%g", seconds);
    text_add(text, "%s s", number);
}

void compare_describe_load(const struct compare_result *result, struct text *text)
{
    text_add(text, "port %d (%s), ", result->port, result->port_is_given ? "given" : "found");
    if (result->load != NULL) {
        text_add(text, "the load is ");
        text_add_shown(text, result->load);
    } else if (result->protocol == COMPARE_HTTP) {
        text_add(text, "HTTP: GET %s over %d connections for ", result->path, result->connections);
        add_seconds(text, result->seconds);
        text_add(text, ", then %d slow clients of %s, which leave together", result->clients, result->slow_path);
    } else {
        text_add(text, "RESP: SET and GET of 16k over %d connections for ", result->connections);
        add_seconds(text, result->seconds);
        text_add(text, ", then %d slow clients of 64 values, which leave together", result->clients);
    }
    text_add(text, "; %d round%s", result->rounds, result->rounds == 1 ? "" : "s, by turns");
}

/* Prints a text, and breaks its lines between words. */
static void print_wrapped(const char *text, FILE *file)
{
    size_t column = 0;
    for (const char *word = text; *word != '\0';) {
        size_t length = strcspn(word, " ");
        if (column > 0 && column + 1 + length > LINE_WIDTH) {
            fputc('\n', file);
            column = 0;
        } else if (column > 0) {
            fputc(' ', file);
            column++;
        }
        fwrite(word, 1, length, file);
        column += length;
        word += length;
        word += *word == ' ' ? 1 : 0;
    }
    fputc('\n', file);
}

/* Returns true if the user's locale has the encoding UTF-8, so that the terminal can show characters beyond ASCII. */
static bool has_utf8(void)
{
    setlocale(LC_CTYPE, "");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* --- tables --- */

/*
 * Prints a median, and half the range of the rounds in percent of the median. The range is padded to a fixed width, so
 * that the medians of a column end at the same place.
 */
static void print_cell(const struct compare_result *result, struct compare_spread spread, int width, bool is_last,
                       FILE *file)
{
    char number[COMPARE_NUMBER_SIZE];
    char range[COMPARE_NUMBER_SIZE] = "";
    compare_number(spread.median, number);
    fprintf(file, "%*s", width - (result->rounds > 1 ? RANGE_WIDTH : 0), number);
    if (result->rounds == 1) {
        return;
    }
    if (spread.median > 0) {
        snprintf(range, sizeof range, "%.0f%%", (spread.high - spread.low) / 2 / spread.median * 100);
    }
    fputs(range[0] == '\0' ? "   " : has_utf8() ? " ±" : " +-", file);
    int used = range[0] == '\0' || !has_utf8() ? 3 : 2;
    fprintf(file, "%-*s", is_last ? 0 : RANGE_WIDTH - used, range);
}

static void print_table(const struct compare_result *result, const char *name, const struct compare_table *table,
                        FILE *file)
{
    int width = (LINE_WIDTH - NAME_WIDTH) / table->count;
    fprintf(file, "\n%-*s", NAME_WIDTH, name);
    for (int i = 0; i < table->count; i++) {
        fprintf(file, "%*s", width, table->title[i]);
    }
    fputc('\n', file);
    for (int i = 0; i < result->count; i++) {
        const struct compare_allocator *allocator = &result->allocators[i];
        fprintf(file, "%-*s", NAME_WIDTH, allocator->peer.name);
        for (int j = 0; j < table->count && !allocator->is_dropped; j++) {
            print_cell(result, compare_spread_of(allocator, table->figure[j]), width, j + 1 == table->count, file);
        }
        fprintf(file, "%s\n", allocator->is_dropped ? "(left out: the server did not work under it)" : "");
    }
}

/* --- curves --- */

static void print_curve(const struct compare_result *result, const struct compare_allocator *allocator, int group,
                        double most, FILE *file)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char plain[] = ".,:-=+*#";
    bool is_utf8 = has_utf8();
    fprintf(file, "%-*s", NAME_WIDTH, allocator->peer.name);
    for (int step = 0; step < compare_curve_steps(result); step += group) {
        int level = (int)(compare_curve_at(allocator, step) / most * (LEVELS - 1) + 0.5);
        level = GREATER(LESSER(level, LEVELS - 1), 0);
        if (step == COMPARE_CURVE_BEFORE * COMPARE_STEPS_A_SECOND) {
            fputc('|', file);
        }
        if (is_utf8) {
            fputs(blocks[level], file);
        } else {
            fputc(plain[level], file);
        }
    }
    fputc('\n', file);
}

static void print_curves(const struct compare_result *result, FILE *file)
{
    int steps = compare_curve_steps(result);
    double most = compare_curve_most(result);
    int group = (steps + CURVE_WIDTH - 1) / CURVE_WIDTH;
    char number[COMPARE_NUMBER_SIZE];
    compare_number(most, number);
    /*
     * A column of the chart shows `group` steps of time. The burst of load ends exactly where a column begins only if
     * the number of steps before its end is a multiple of `group`.
     */
    while (COMPARE_CURVE_BEFORE * COMPARE_STEPS_A_SECOND % group != 0) {
        group++;
    }
    fprintf(file, "\nMiB, %d s before to %g s after the %s (column %g s, top %s)\n", COMPARE_CURVE_BEFORE, result->late,
            result->load != NULL ? "load ends" : "slow clients leave", (double)group / COMPARE_STEPS_A_SECOND, number);
    for (int i = 0; i < result->count; i++) {
        if (!result->allocators[i].is_dropped) {
            print_curve(result, &result->allocators[i], group, most, file);
        }
    }
}

void compare_print(const struct compare_result *result, FILE *file)
{
    char buffer[WORDS_SIZE];
    struct compare_table table;
    struct text text = text_begin(buffer, sizeof buffer);
    compare_describe_command(result, &text);
    text_add(&text, "; ");
    compare_describe_load(result, &text);
    if (result->rounds > 1) {
        text_add(&text, "; medians, and %s half of the range of the rounds", has_utf8() ? "±" : "+-");
    }
    print_wrapped(buffer, file);
    compare_columns_of_speed(result, &table);
    print_table(result, "speed", &table, file);
    compare_columns_of_memory(result, &table);
    print_table(result, "MiB (PSS)", &table, file);
    print_curves(result, file);
    text = text_begin(buffer, sizeof buffer);
    compare_verdict(result, &text);
    fputc('\n', file);
    print_wrapped(buffer, file);
}
