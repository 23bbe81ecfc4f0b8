/* Writes the parts that the pages of HTML have in common: the frame, tables, and charts that are drawn from tables. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PAGE_H
#define SOCKMALLOC_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A page has its style sheets and scripts in itself, and a Content-Security-Policy that allows nothing else: no other
 * script, and no request to any address. Its figures are in tables that can be read without a script. The script draws
 * a chart above each table of a page_chart.
 */

/*
 * Writes the beginning, with this title and heading, up to the main part. The title is plain text, in which bytes that
 * are not printable are shown as text_add_shown does, as in all functions here that take a string.
 */
void page_begin(const char *title, FILE *file);
void page_end(FILE *file);

/* Writes a string that may hold any byte, as text or as the value of an attribute in double quotes. */
void page_text(const char *string, FILE *file);

/* Writes a heading of the given level, which a link to #id and aria-labelledby can refer to. */
void page_heading(int level, const char *id, const char *text, FILE *file);

/* A table, which page_table_begin opens inside an area that scrolls, and page_table_end closes. */
struct page_table {
    const char *caption;
    const char *first;   /* heading of the first column, which has the names of the rows */
    const char *classes; /* "words" for a table whose cells are words; or "" */
    const char *names;   /* ids of the headings that together name the table, and no other one, with blanks between */
};

/*
 * The calls for a table are, in this order: page_table_begin; page_column for each further column; then for each row
 * page_row, and a page_cell_* for each column; page_table_end.
 */
void page_table_begin(const struct page_table *table, FILE *file);
void page_column(const char *name, FILE *file);
void page_rows(FILE *file);
void page_row(const char *name, FILE *file);
void page_table_end(FILE *file);

/*
 * Cells. Each has the exact figure, which the script and tests read, in data-v if its text is rounded or has a unit.
 * They show that a figure is unknown if it is SNAPSHOT_UNKNOWN or NAN.
 */
void page_cell_bytes(uint64_t bytes, FILE *file);
void page_cell_count(uint64_t count, FILE *file);
void page_cell_share(double share, FILE *file);
void page_cell_text(const char *text, FILE *file);

/* A number that is shown as `shown` says, and `more` below it in smaller letters unless it is NULL. */
void page_cell_number(double number, const char *shown, const char *more, FILE *file);

/* A chart with its table. */
struct page_chart {
    const char *id;     /* of the heading that names the chart */
    const char *kind;   /* "lines", "stack" (areas on each other) or "sizes" (a histogram) */
    const char *unit;   /* of the figures: "bytes", "mib", "share" or "count" */
    const char *places; /* of the first column: "time", "number", "seconds" or "size" */
    const char *words;  /* a sentence that says what the chart shows */
    const char *ours;   /* the column that is drawn most clearly, or NULL */
    const char *marks;  /* lines across the chart with their names: "4096=4k;8192=8k", or NULL */
    bool is_drawn;      /* false if there are too few rows for a chart: the page then shows only the table */
    struct page_table table;
};

/* page_chart_begin and page_chart_end stand in the place of page_table_begin and page_table_end. */
void page_chart_begin(const struct page_chart *chart, FILE *file);
void page_chart_end(FILE *file);

/* Begins a row of a chart. `place` is the exact value of `name` on the horizontal axis, as a number. */
void page_chart_row(const char *name, double place, FILE *file);

#endif
