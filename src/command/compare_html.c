/* Draws a comparison as one page of HTML that needs no other file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_html.h"

#include <math.h>
#include <string.h>

#include "base/bounds.h"
#include "base/text.h"
#include "command/compare_print.h"
#include "command/compare_verdict.h"

enum { WORDS_SIZE = 8192, TICKS_MIN = 4, COLOURS = 8 };

/* The drawing, in units of its own: the part with the curves, and the space around for axes and labels. */
static const double LEFT = 52, TOP = 24, WIDTH = 590, HEIGHT = 300, LABEL_HEIGHT = 17, RIGHT = 178, BOTTOM = 44;

/* The colours of the curves can be told apart with any colour vision. The last one is that of sockmalloc. */
static const char style[] =
    "<style>\n"
    ":root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--soft:#5b6470;--grid:#dfe3e8;--c0:#5b6470;--c1:#b45309;"
    "--c2:#7c3aed;--c3:#0e7490;--c4:#be185d;--c5:#4d7c0f;--c6:#a16207;--ours:#1d4ed8}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#14181d;--ink:#e8ebef;--soft:#a0a9b4;--grid:#303841;--c0:#a0a9b4;"
    "--c1:#fbbf24;--c2:#c4a6ff;--c3:#4dd4e8;--c4:#f792c4;--c5:#a3e635;--c6:#fdba74;--ours:#7aa7ff}}\n"
    "body{margin:2rem auto;padding:0 1rem;max-width:54rem;background:var(--page);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}code{overflow-wrap:anywhere}\n"
    ".wide{overflow-x:auto}svg{width:100%;min-width:36rem;height:auto}svg text{font:13px system-ui,sans-serif;"
    "fill:var(--soft)}\n"
    "polyline{fill:none;stroke-width:2;stroke-linejoin:round}.ours{stroke-width:3.5}\n"
    "table{border-collapse:collapse;width:100%}th,td{padding:.35rem .6rem;text-align:right;"
    "border-bottom:1px solid "
    "var(--grid);white-space:nowrap;font-variant-numeric:tabular-nums}th:first-child{text-align:left}\n"
    "td small{display:block;color:var(--soft)}.soft{color:var(--soft)}tr.ours th{color:var(--ours)}\n"
    "</style>\n";

static void print_escaped(const char *text, FILE *file)
{
    for (const char *byte = text; *byte != '\0'; byte++) {
        switch (*byte) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            fputc(*byte, file);
        }
    }
}

static bool is_ours(const struct compare_result *result, int number)
{
    return number == result->count - 1;
}

/* Writes the name of the colour of a curve. */
static void name_colour(const struct compare_result *result, int number, char colour[COMPARE_NUMBER_SIZE])
{
    snprintf(colour, COMPARE_NUMBER_SIZE, is_ours(result, number) ? "var(--ours)" : "var(--c%d)",
             number % (COLOURS - 1));
}

/* --- the drawing --- */

struct drawing {
    const struct compare_result *result;
    FILE *file;
    double top;  /* MiB at the upper edge */
    double last; /* the last second */
};

static double x_of(const struct drawing *drawing, double second)
{
    return LEFT + (second + COMPARE_CURVE_BEFORE) / (drawing->last + COMPARE_CURVE_BEFORE) * WIDTH;
}

static double y_of(const struct drawing *drawing, double mebibytes)
{
    return TOP + (1 - mebibytes / drawing->top) * HEIGHT;
}

/* Returns a round step of the axis, so that there are at least TICKS_MIN of them up to `most`. */
static double find_step(double most)
{
    double step = pow(10, floor(log10(most / TICKS_MIN)));
    while (most / (step * 2) >= TICKS_MIN) {
        step *= 2;
    }
    return step;
}

static void draw_axes(struct drawing *drawing)
{
    double step = find_step(drawing->top);
    drawing->top = ceil(drawing->top / step) * step;
    int steps = (int)(drawing->top / step + 0.5);
    for (int i = 0; i <= steps; i++) {
        double value = i * step;
        double y = y_of(drawing, value);
        fprintf(drawing->file,
                "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"var(--grid)\"/><text x=\"%.1f\" "
                "y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                LEFT, LEFT + WIDTH, y, y, LEFT - 8, y + 4, value);
    }
    int seconds = drawing->last > 20 ? 10 : drawing->last > 4 ? 2 : 1;
    for (int second = 0; second <= drawing->last; second += seconds) {
        fprintf(drawing->file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%d s</text>\n",
                x_of(drawing, second), TOP + HEIGHT + 20, second);
    }
    fprintf(drawing->file,
            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"var(--soft)\" stroke-dasharray=\"4 4\"/>\n"
            "<text x=\"%.1f\" y=\"%.1f\">%s</text><text x=\"%.1f\" y=\"%.1f\">MiB</text>\n",
            x_of(drawing, 0), x_of(drawing, 0), TOP, TOP + HEIGHT, x_of(drawing, 0) + 6, TOP - 8,
            drawing->result->load != NULL ? "the load ends" : "the slow clients leave", 8.0, TOP - 12);
}

static void draw_curve(const struct drawing *drawing, int number)
{
    const struct compare_result *result = drawing->result;
    char colour[COMPARE_NUMBER_SIZE];
    name_colour(result, number, colour);
    fprintf(drawing->file, "<polyline%s stroke=\"%s\" points=\"", is_ours(result, number) ? " class=\"ours\"" : "",
            colour);
    for (int step = 0; step < compare_curve_steps(result); step++) {
        fprintf(drawing->file, "%.1f,%.1f ", x_of(drawing, compare_curve_second(step)),
                y_of(drawing, compare_curve_at(&result->allocators[number], step)));
    }
    fprintf(drawing->file, "\"><title>%s</title></polyline>\n", result->allocators[number].peer.name);
}

/* Writes the name of each curve and its last value beside the curve's end. Labels are moved apart if they are close. */
static void draw_labels(const struct drawing *drawing)
{
    const struct compare_result *result = drawing->result;
    int steps = compare_curve_steps(result);
    bool is_drawn[COMPARE_PEERS_MAX + 1] = {false};
    double lowest = TOP + HEIGHT + LABEL_HEIGHT / 2; /* the next label, which has more MiB, stands above this */
    for (int labels = 0; labels < result->count; labels++) {
        int least = -1;
        double least_value = INFINITY;
        for (int i = 0; i < result->count; i++) {
            double value =
                result->allocators[i].is_dropped ? INFINITY : compare_curve_at(&result->allocators[i], steps - 1);
            if (!is_drawn[i] && value < least_value) {
                least = i;
                least_value = value;
            }
        }
        if (least < 0) {
            return; /* the others were dropped */
        }
        char colour[COMPARE_NUMBER_SIZE];
        char number[COMPARE_NUMBER_SIZE];
        double y = LESSER(y_of(drawing, least_value) + 4, lowest);
        name_colour(result, least, colour);
        compare_number(least_value, number);
        fprintf(drawing->file, "<text x=\"%.1f\" y=\"%.1f\" style=\"fill:%s%s\">%s %s MiB</text>\n", LEFT + WIDTH + 8,
                y, colour, is_ours(result, least) ? ";font-weight:700" : "", result->allocators[least].peer.name,
                number);
        is_drawn[least] = true;
        lowest = y - LABEL_HEIGHT;
    }
}

static void draw(const struct compare_result *result, const char *verdict, FILE *file)
{
    struct drawing drawing = {.result = result, .file = file, .top = compare_curve_most(result), .last = result->late};
    fprintf(file, "<div class=\"wide\"><svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", LEFT + WIDTH + RIGHT,
            TOP + HEIGHT + BOTTOM);
    print_escaped(verdict, file);
    fputs("\">\n", file);
    draw_axes(&drawing);
    for (int i = 0; i < result->count; i++) {
        if (!result->allocators[i].is_dropped) {
            draw_curve(&drawing, i);
        }
    }
    draw_labels(&drawing);
    fputs("</svg></div>\n", file);
}

/* --- the tables --- */

static void print_cell(const struct compare_result *result, struct compare_spread spread, FILE *file)
{
    char median[COMPARE_NUMBER_SIZE];
    char low[COMPARE_NUMBER_SIZE];
    char high[COMPARE_NUMBER_SIZE];
    compare_number(spread.median, median);
    compare_number(spread.low, low);
    compare_number(spread.high, high);
    fprintf(file, "<td>%s", median);
    if (result->rounds > 1) {
        fprintf(file, "<small>%s to %s</small>", low, high);
    }
    fputs("</td>", file);
}

static void print_table(const struct compare_result *result, const char *name, const struct compare_table *table,
                        FILE *file)
{
    fprintf(file, "<h2>%s</h2>\n<div class=\"wide\"><table><thead><tr><th scope=\"col\">allocator</th>", name);
    for (int i = 0; i < table->count; i++) {
        fprintf(file, "<th scope=\"col\">%s</th>", table->title[i]);
    }
    fputs("</tr></thead><tbody>\n", file);
    for (int i = 0; i < result->count; i++) {
        const struct compare_allocator *allocator = &result->allocators[i];
        fprintf(file, "<tr%s><th scope=\"row\">%s</th>", is_ours(result, i) ? " class=\"ours\"" : "",
                allocator->peer.name);
        for (int j = 0; j < table->count && !allocator->is_dropped; j++) {
            print_cell(result, compare_spread_of(allocator, table->figure[j]), file);
        }
        if (allocator->is_dropped) {
            fprintf(file, "<td colspan=\"%d\">left out: ", table->count);
            print_escaped(allocator->reason, file);
            fputs("</td>", file);
        }
        fputs("</tr>\n", file);
    }
    fputs("</tbody></table></div>\n", file);
}

/* Prints what `describe` writes about the comparison. */
static void print_words(const struct compare_result *result,
                        void (*describe)(const struct compare_result *result, struct text *text), FILE *file)
{
    char buffer[WORDS_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    describe(result, &text);
    print_escaped(buffer, file);
}

void compare_print_html(const struct compare_result *result, FILE *file)
{
    char verdict[WORDS_SIZE];
    struct compare_table table;
    struct text text = text_begin(verdict, sizeof verdict);
    compare_verdict(result, &text);
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
          "content=\"width=device-width,initial-scale=1\">\n<title>sockmalloc compare: ",
          file);
    print_words(result, compare_describe_command, file);
    fprintf(file, "</title>\n%s</head><body>\n<h1><code>", style);
    print_words(result, compare_describe_command, file);
    fputs("</code></h1>\n<p>", file);
    print_escaped(verdict, file);
    fputs("</p>\n<p class=\"soft\">", file);
    print_words(result, compare_describe_load, file);
    fputs("</p>\n", file);
    draw(result, verdict, file);
    compare_columns_of_memory(result, &table);
    print_table(result, "Memory in MiB (PSS)", &table, file);
    compare_columns_of_speed(result, &table);
    print_table(result, "Speed", &table, file);
    fputs("</body></html>\n", file);
}
