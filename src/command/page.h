/* Writes the parts that the command's HTML pages have in common: the beginning and the end of a page, tables, and
 * charts that are drawn from tables. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PAGE_H
#define SOCKMALLOC_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A page contains its style sheets and scripts. Its Content-Security-Policy allows no other script, and no request to
 * any address. The figures are in tables that can be read without the scripts. One of the scripts draws a chart above
 * each table of a page_chart.
 */

/*
 * Writes the beginning of a page up to its main part, with `title` as its title and heading. The title is plain text.
 * All functions of this file write the unprintable bytes of a string as text_add_shown does.
 */
void page_begin(const char *title, FILE *file);
void page_end(FILE *file);

/*
 * Writes a string that may hold any byte. The result is safe in text and in the value of an attribute in double quotes.
 */
void page_text(const char *string, FILE *file);

/* Writes a heading of the given level. Its `id` is for links to #id and for aria-labelledby. */
void page_heading(int level, const char *id, const char *text, FILE *file);

/*
 * A table inside an area that scrolls. page_table_begin opens the table and the area, and page_table_end closes the
 * table and the area.
 */
struct page_table {
    const char *caption;
    const char *first; /* heading of the first column, whose cells are the names of the rows */
    /* class of the table for the style sheet: "words" if the cells hold words, or "" for numbers */
    const char *classes;
    /* ids of headings, separated by blanks; the texts of these headings together are a name that no other table of the
     * page has */
    const char *names;
};

/*
 * The calls for a table are, in this order: page_table_begin; page_column for each further column; page_rows; for each
 * row page_row, and then a page_cell_* for each further column; page_table_end.
 */
void page_table_begin(const struct page_table *table, FILE *file);
void page_column(const char *name, FILE *file);
void page_rows(FILE *file);
void page_row(const char *name, FILE *file);
void page_table_end(FILE *file);

/*
 * These functions write a cell of a table. If the text of a cell is rounded or has a unit, its attribute data-v has the
 * figure with more digits and without a unit, which the script in the page and the tests read. If the figure is
 * SNAPSHOT_UNKNOWN or NAN, the cell shows that it is unknown.
 */
void page_cell_bytes(uint64_t bytes, FILE *file);
void page_cell_count(uint64_t count, FILE *file);
void page_cell_share(double share, FILE *file);
void page_cell_text(const char *text, FILE *file);

/*
 * Writes a cell whose text is `shown`. Its attribute data-v has `number` with six significant digits. Writes `more`
 * below the text in smaller letters unless `more` is NULL.
 */
void page_cell_number(double number, const char *shown, const char *more, FILE *file);

/* A chart, and the table with its figures. */
struct page_chart {
    const char *id;     /* id of the heading that names the chart */
    const char *kind;   /* "lines", "stack" (areas that are stacked) or "sizes" (a histogram) */
    const char *unit;   /* unit of the figures: "bytes", "mib", "share" or "count" */
    const char *places; /* kind of the values in the first column: "time", "number", "seconds" or "size" */
    const char *words;  /* a sentence that says what the chart shows */
    const char *ours;   /* name of the column that gets the thickest line and a colour of its own, or NULL */
    /* vertical lines in the chart, each with its place on the horizontal axis and its name, as in "4096=4k;8192=8k"; or
     * NULL */
    const char *marks;
    bool is_drawn; /* false if there are too few rows for a chart: the page then shows only the table */
    struct page_table table;
};

/* For a chart, page_chart_begin and page_chart_end are called instead of page_table_begin and page_table_end. */
void page_chart_begin(const struct page_chart *chart, FILE *file);
void page_chart_end(FILE *file);

/*
 * Begins a row in the table of a chart. `name` is the text of the first cell, and `place` is the position of the row on
 * the horizontal axis.
 */
void page_chart_row(const char *name, double place, FILE *file);

#endif
