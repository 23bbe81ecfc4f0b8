/* Prints a comparison as one object of JSON. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_json.h"

#include <math.h>

#include "base/text.h"
#include "command/compare_verdict.h"

enum { STRING_SIZE = 16384 };

/* Prints a string. Bytes that are no valid UTF-8 become escapes such as \x80, so that the output is valid. */
static void print_string(const char *string, FILE *file)
{
    static char buffer[STRING_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    if (string == NULL) {
        fputs("null", file);
        return;
    }
    text_add_shown(&text, string);
    fputc('"', file);
    for (const char *byte = buffer; *byte != '\0'; byte++) {
        fprintf(file, *byte == '"' || *byte == '\\' ? "\\%c" : "%c", *byte);
    }
    fputc('"', file);
}

static void print_number(double value, FILE *file)
{
    fprintf(file, isnan(value) ? "null" : "%.6g", value);
}

static void print_figure(const struct compare_allocator *allocator, enum compare_figure figure, FILE *file)
{
    struct compare_spread spread = compare_spread_of(allocator, figure);
    fprintf(file, "%s\"%s\":{\"median\":", figure > 0 ? "," : "", compare_figure_key(figure));
    print_number(spread.median, file);
    fputs(",\"low\":", file);
    print_number(spread.low, file);
    fputs(",\"high\":", file);
    print_number(spread.high, file);
    fputs(",\"rounds\":[", file);
    for (int i = 0; i < allocator->rounds; i++) {
        fputs(i > 0 ? "," : "", file);
        print_number(allocator->turns[i].figure[figure], file);
    }
    fputs("]}", file);
}

static void print_allocator(const struct compare_result *result, const struct compare_allocator *allocator, FILE *file)
{
    fputs("{\"name\":", file);
    print_string(allocator->peer.name, file);
    fputs(",\"library\":", file);
    print_string(allocator->peer.library, file);
    fputs(",\"left_out\":", file);
    print_string(allocator->is_dropped ? allocator->reason : NULL, file);
    fputs(",\"figures\":{", file);
    for (int i = 0; i < COMPARE_FIGURES && !allocator->is_dropped; i++) {
        print_figure(allocator, (enum compare_figure)i, file);
    }
    fputs("},\"curve\":[", file);
    for (int step = 0; step < compare_curve_steps(result) && !allocator->is_dropped; step++) {
        fprintf(file, "%s[%.1f,%.6g]", step > 0 ? "," : "", compare_curve_second(step),
                compare_curve_at(allocator, step));
    }
    fputs("]}", file);
}

void compare_print_json(const struct compare_result *result, FILE *file)
{
    static const char *const protocols[] = {"unknown", "http", "resp"};
    char buffer[STRING_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    fputs("{\"command\":[", file);
    for (char *const *word = result->command; *word != NULL; word++) {
        fputs(word == result->command ? "" : ",", file);
        print_string(*word, file);
    }
    fputs("],\"load\":", file);
    print_string(result->load, file);
    fprintf(file, ",\"protocol\":\"%s\",\"port\":%d,\"port_is_given\":%s", protocols[result->protocol], result->port,
            result->port_is_given ? "true" : "false");
    fputs(",\"path\":", file);
    print_string(result->path, file);
    fputs(",\"slow_path\":", file);
    print_string(result->slow_path, file);
    fprintf(file, ",\"connections\":%d,\"clients\":%d,\"seconds\":%g,\"rounds\":%d", result->connections,
            result->clients, result->seconds, result->rounds);
    fprintf(file, ",\"soon_seconds\":%g,\"late_seconds\":%g,\"allocators\":[", result->soon, result->late);
    for (int i = 0; i < result->count; i++) {
        fputs(i > 0 ? "," : "", file);
        print_allocator(result, &result->allocators[i], file);
    }
    fputs("],\"verdict\":", file);
    compare_verdict(result, &text);
    print_string(buffer, file);
    fputs("}\n", file);
}
