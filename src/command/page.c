/* Writes the parts that the command's HTML pages have in common: the beginning and the end of a page, tables, and
 * charts that are drawn from tables. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/page.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "command/page_files.h"
#include "statistics/snapshot.h"

enum { STRING_SIZE = 16384 };

void page_text(const char *string, FILE *file)
{
    static char shown[STRING_SIZE];
    struct text text = text_begin(shown, sizeof shown);
    text_add_shown(&text, string);
    for (const char *byte = shown; *byte != '\0'; byte++) {
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

/* --- the frame --- */

/* Writes the style sheets (`element` is "style") or the scripts ("script") of page_files, each as an HTML element of
 * its own. */
static void page_put_files(const char *element, FILE *file)
{
    for (const struct page_file *one = page_files; one->element != NULL; one++) {
        if (strcmp(one->element, element) == 0) {
            fprintf(file, "<%s>", element);
            fwrite(one->content, 1, one->size, file);
            fprintf(file, "</%s>\n", element);
        }
    }
}

static void page_allow_files(const char *element, FILE *file)
{
    fprintf(file, "; %s-src", element);
    for (const struct page_file *one = page_files; one->element != NULL; one++) {
        if (strcmp(one->element, element) == 0) {
            fprintf(file, " '%s'", one->checksum);
        }
    }
}

void page_begin(const char *title, FILE *file)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; "
          "form-action 'none'",
          file);
    page_allow_files("script", file);
    page_allow_files("style", file);
    fputs("\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>", file);
    page_text(title, file);
    fputs("</title>\n", file);
    page_put_files("style", file);
    fputs("</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the figures</a>\n<header>\n"
          "<p class=\"theme\" hidden><label for=\"theme\">Colours</label> <select id=\"theme\">"
          "<option value=\"\">as the system</option><option value=\"light\">light</option>"
          "<option value=\"dark\">dark</option></select></p>\n<h1>",
          file);
    page_text(title, file);
    fputs(
        "</h1>\n<noscript><p class=\"warning\">Scripts are off, so the page has tables and no charts.</p></noscript>\n"
        "</header>\n<main id=\"main\" tabindex=\"-1\">\n",
        file);
}

void page_end(FILE *file)
{
    fputs("</main>\n", file);
    page_put_files("script", file);
    fputs("</body>\n</html>\n", file);
}

void page_heading(int level, const char *id, const char *text, FILE *file)
{
    fprintf(file, "<h%d id=\"%s\">", level, id);
    page_text(text, file);
    fprintf(file, "</h%d>\n", level);
}

/* --- tables --- */

void page_table_begin(const struct page_table *table, FILE *file)
{
    /*
     * the table lies in an area that scrolls; the Tab key can reach the area, and the area has a name, because a user
     * without a mouse must be able to scroll the area
     */
    fprintf(file, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"%s\">\n", table->names);
    fprintf(file, "<table class=\"%s\"><caption>", table->classes);
    page_text(table->caption, file);
    fputs("</caption>\n<thead><tr>", file);
    page_column(table->first, file);
}

void page_column(const char *name, FILE *file)
{
    fputs("<th scope=\"col\">", file);
    page_text(name, file);
    fputs("</th>", file);
}

void page_rows(FILE *file)
{
    fputs("</tr></thead>\n<tbody>", file);
}

void page_row(const char *name, FILE *file)
{
    fputs("\n<tr><th scope=\"row\">", file);
    page_text(name, file);
    fputs("</th>", file);
}

void page_table_end(FILE *file)
{
    fputs("\n</tbody></table>\n</div>\n", file);
}

static void page_cell_unknown(FILE *file)
{
    fputs("<td data-v=\"\">unknown</td>", file);
}

void page_cell_bytes(uint64_t bytes, FILE *file)
{
    if (bytes == SNAPSHOT_UNKNOWN) {
        page_cell_unknown(file);
    } else {
        fprintf(file, "<td data-v=\"%lu\">%.2f</td>", (unsigned long)bytes, (double)bytes / (1 << 20));
    }
}

/* Writes a number with commas between groups of three digits, such as 1,234,567. */
static void page_put_grouped(uint64_t number, FILE *file)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lu", (unsigned long)number);
    for (int i = 0; i < length; i++) {
        fprintf(file, i > 0 && (length - i) % 3 == 0 ? ",%c" : "%c", digits[i]);
    }
}

void page_cell_count(uint64_t count, FILE *file)
{
    if (count == SNAPSHOT_UNKNOWN) {
        page_cell_unknown(file);
        return;
    }
    fprintf(file, "<td data-v=\"%lu\">", (unsigned long)count);
    page_put_grouped(count, file);
    fputs("</td>", file);
}

void page_cell_share(double share, FILE *file)
{
    if (isnan(share)) {
        page_cell_unknown(file);
    } else {
        fprintf(file, "<td data-v=\"%.6f\">%.1f %%</td>", share, share * 100);
    }
}

void page_cell_text(const char *text, FILE *file)
{
    fputs("<td>", file);
    page_text(text, file);
    fputs("</td>", file);
}

void page_cell_number(double number, const char *shown, const char *more, FILE *file)
{
    if (isnan(number)) {
        page_cell_unknown(file);
        return;
    }
    fprintf(file, "<td data-v=\"%.6g\">", number);
    page_text(shown, file);
    if (more != NULL) {
        fputs("<small>", file);
        page_text(more, file);
        fputs("</small>", file);
    }
    fputs("</td>", file);
}

/* --- charts --- */

static void page_attribute(const char *name, const char *value, FILE *file)
{
    if (value != NULL) {
        fprintf(file, " %s=\"", name);
        page_text(value, file);
        fputs("\"", file);
    }
}

void page_chart_begin(const struct page_chart *chart, FILE *file)
{
    fputs("<figure", file);
    page_attribute("aria-labelledby", chart->id, file);
    if (chart->is_drawn) {
        page_attribute("data-kind", chart->kind, file);
        page_attribute("data-unit", chart->unit, file);
        page_attribute("data-places", chart->places, file);
        page_attribute("data-ours", chart->ours, file);
        page_attribute("data-marks", chart->marks, file);
    }
    fputs(">\n<figcaption>", file);
    page_text(chart->words, file);
    fprintf(file, "</figcaption>\n<details%s><summary>Table: ", chart->is_drawn ? "" : " open");
    page_text(chart->table.caption, file);
    fputs("</summary>\n", file);
    page_table_begin(&chart->table, file);
}

void page_chart_row(const char *name, double place, FILE *file)
{
    fprintf(file, "\n<tr><th scope=\"row\" data-v=\"%.15g\">", place);
    page_text(name, file);
    fputs("</th>", file);
}

void page_chart_end(FILE *file)
{
    page_table_end(file);
    fputs("</details>\n</figure>\n", file);
}
