/* Writes the lines that `sockmalloc top` shows, for a given width: on the full screen, or as text in the batch mode. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TOP_TEXT_H
#define SOCKMALLOC_TOP_TEXT_H

#include "command/top_list.h"
#include "command/top_rows.h"

enum { TOP_LINE_SIZE = 512 };

/* The positions of the parts of a line, in columns of the terminal. */
struct top_layout {
    int label;            /* width of the label at the left */
    int end[TOP_COLUMNS]; /* for each figure, the column before which it ends, or 0 if the figure is not shown */
    int bar;              /* the column at which the bar begins */
    int bar_width;        /* width of the bar; 0 if the line is too short for a bar */
};

/* The view of the list that the user has chosen, and the seconds between two readings. */
struct top_view {
    enum top_order order;
    bool folds;
    bool shows_help;
    int selected; /* id of the process whose buckets are shown; 0 stands for the first process of the list */
    double interval;
};

/* Returns the layout for a terminal of this width, which should be at least 40 columns: these show a label, four
 * figures and a short bar. A wider terminal shows more figures. */
struct top_layout top_text_layout(int width);

/*
 * These functions write one line of the screen, without a line end. top_text_figures draws a bar of the length `share`,
 * which is from 0 to 1, at the end of the line.
 */
void top_text_title(const struct top_list *list, const struct top_view *view, char line[TOP_LINE_SIZE]);
void top_text_heading(const struct top_layout *layout, const char *label, char line[TOP_LINE_SIZE]);
void top_text_figures(const struct top_layout *layout, const char *label, const struct top_figures *figures,
                      double share, char line[TOP_LINE_SIZE]);

/*
 * Writes the line of a process. `most` is the largest number of resident bytes of the pools of any process on the list.
 */
void top_text_process(const struct top_layout *layout, const struct top_process *process, double most,
                      char line[TOP_LINE_SIZE]);

/*
 * top_text_buckets writes the heading above the buckets of a process, and top_text_bucket writes the line of one
 * bucket.
 */
void top_text_buckets(const struct top_layout *layout, const struct top_process *process, char line[TOP_LINE_SIZE]);
void top_text_bucket(const struct top_layout *layout, struct top_list *list, const struct top_process *process,
                     unsigned bucket, char line[TOP_LINE_SIZE]);

/* Returns the largest number of resident bytes that the pools of a process on the list have. */
double top_text_most(const struct top_list *list);

/* Returns the process that the user has selected, whose buckets are shown, or NULL if the list is empty. */
const struct top_process *top_text_selected(const struct top_list *list, const struct top_view *view);

/* Returns a line of the help, or NULL after the last one. */
const char *top_text_help(unsigned number, char line[TOP_LINE_SIZE]);

#endif
