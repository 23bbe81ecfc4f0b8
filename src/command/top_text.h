/* Lays out the lines of `top` for a width, for the screen and for the batch mode. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TOP_TEXT_H
#define SOCKMALLOC_TOP_TEXT_H

#include "command/top_list.h"
#include "command/top_rows.h"

enum { TOP_LINE_SIZE = 512 };

/* Where the parts of a line are. */
struct top_layout {
    int label;            /* width of the label at the left */
    int end[TOP_COLUMNS]; /* the column of the terminal before which a figure ends; 0 if it is not shown */
    int bar;              /* where the bar begins */
    int bar_width;        /* 0 if there is no room for it */
};

/* What the user has chosen. */
struct top_view {
    enum top_order order;
    bool folds;
    bool shows_help;
    int selected; /* process id of the process whose buckets are shown; 0 stands for the first process of the list */
    double interval;
};

/* Returns the layout for a terminal of this width; at least 40 columns are needed to see all that it shows. */
struct top_layout top_text_layout(int width);

/* These functions write one line without a line end. A line of figures has a bar of `share`, from 0 to 1. */
void top_text_title(const struct top_list *list, const struct top_view *view, char line[TOP_LINE_SIZE]);
void top_text_heading(const struct top_layout *layout, const char *label, char line[TOP_LINE_SIZE]);
void top_text_figures(const struct top_layout *layout, const char *label, const struct top_figures *figures,
                      double share, char line[TOP_LINE_SIZE]);

/* Writes the line of a process. `most` is the largest resident memory of all pools. */
void top_text_process(const struct top_layout *layout, const struct top_process *process, double most,
                      char line[TOP_LINE_SIZE]);

/* Writes the heading of the buckets of a process, and the line of one of its buckets. */
void top_text_buckets(const struct top_layout *layout, const struct top_process *process, char line[TOP_LINE_SIZE]);
void top_text_bucket(const struct top_layout *layout, struct top_list *list, const struct top_process *process,
                     unsigned bucket, char line[TOP_LINE_SIZE]);

/* Returns the largest resident memory of the pools of a process on the list. */
double top_text_most(const struct top_list *list);

/* Returns the process whose buckets are shown, or NULL if the list is empty. */
const struct top_process *top_text_selected(const struct top_list *list, const struct top_view *view);

/* Returns a line of the help, or NULL after the last one. */
const char *top_text_help(unsigned number, char line[TOP_LINE_SIZE]);

#endif
