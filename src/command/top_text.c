/* Writes the lines that `sockmalloc top` shows, for a given width: on the full screen, or as text in the batch mode. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/top_text.h"

#include <stdio.h>
#include <string.h>

#include "base/bounds.h"
#include "base/text.h"

/*
 * Each figure has at most four characters, except for a percentage of 1000 or more, which has five. A terminal of 40
 * columns can show a short label, four figures and a bar of six characters.
 */
enum { WIDE = 72, LABEL_WIDE = 20, LABEL_NARROW = 9, FIGURE_WIDTH = 6, FIGURE_SIZE = 8, BAR_MOST = 40 };

static const struct {
    const char *name;
    const char *heading;
    int from;
    const char *help;
} columns[TOP_COLUMNS] = {
#define TOP_COLUMN(name, heading, from, help) {#name, heading, from, help},
    TOP_COLUMN_ROWS(TOP_COLUMN)
#undef TOP_COLUMN
};

static const char *const words[] = {
#define TOP_ORDER(name, key, word, help) word,
    TOP_ORDER_ROWS(TOP_ORDER)
#undef TOP_ORDER
};

struct top_layout top_text_layout(int width)
{
    struct top_layout layout = {.label = width >= WIDE ? LABEL_WIDE : LABEL_NARROW};
    width = LESSER(width, TOP_LINE_SIZE - 1);
    int end = layout.label;
    for (int i = 0; i < TOP_COLUMNS; i++) {
        if (width >= columns[i].from) {
            end += FIGURE_WIDTH;
            layout.end[i] = end;
        }
    }
    layout.bar = end + 1;
    int room = GREATER(width - layout.bar, 0);
    layout.bar_width = LESSER(room, BAR_MOST);
    return layout;
}

/* Prints a number in at most four characters: 999, 9.9k, 99k, 999k and so on. */
static void compact(double number, double unit, char text[FIGURE_SIZE])
{
    static const char units[] = " kmgtp";
    unsigned power = 0;
    while (number >= 999.5 && power + 2 < sizeof units) {
        number /= unit;
        power++;
    }
    if (power == 0) {
        snprintf(text, FIGURE_SIZE, "%.0f", number);
    } else {
        snprintf(text, FIGURE_SIZE, number < 9.95 ? "%.1f%c" : "%.0f%c", number, units[power]);
    }
}

static void compact_bytes(uint64_t bytes, char text[FIGURE_SIZE])
{
    if (bytes == SNAPSHOT_UNKNOWN) {
        snprintf(text, FIGURE_SIZE, "-");
    } else {
        compact((double)bytes, 1024, text);
    }
}

static void percent(double share, char text[FIGURE_SIZE])
{
    if (share < 0) {
        snprintf(text, FIGURE_SIZE, "-");
    } else {
        snprintf(text, FIGURE_SIZE, "%.0f%%", LESSER(share * 100, 9999));
    }
}

/* Writes the label at the beginning of a line. Cuts the label, or fills it with blanks, to the width of labels. */
static void begin_line(const struct top_layout *layout, const char *label, char line[TOP_LINE_SIZE])
{
    snprintf(line, TOP_LINE_SIZE, "%-*.*s", layout->label, layout->label, label);
}

static void add_cell(const struct top_layout *layout, int column, const char *cell, char line[TOP_LINE_SIZE])
{
    if (layout->end[column] != 0) {
        size_t used = strlen(line);
        snprintf(line + used, TOP_LINE_SIZE - used, "%*s", FIGURE_WIDTH, cell);
    }
}

void top_text_heading(const struct top_layout *layout, const char *label, char line[TOP_LINE_SIZE])
{
    begin_line(layout, label, line);
    for (int i = 0; i < TOP_COLUMNS; i++) {
        add_cell(layout, i, columns[i].heading, line);
    }
    size_t used = strlen(line);
    snprintf(line + used, TOP_LINE_SIZE - used, " %.*s", layout->bar_width, TOP_BAR_HEADING);
}

void top_text_figures(const struct top_layout *layout, const char *label, const struct top_figures *figures,
                      double share, char line[TOP_LINE_SIZE])
{
    char cell[TOP_COLUMNS][FIGURE_SIZE];
    compact((double)figures->live, 1000, cell[TOP_COLUMN_live]);
    compact((double)figures->cached, 1000, cell[TOP_COLUMN_cached]);
    compact_bytes(figures->resident, cell[TOP_COLUMN_resident]);
    compact_bytes(figures->rss, cell[TOP_COLUMN_rss]);
    percent(figures->cpu, cell[TOP_COLUMN_cpu]);
    compact(figures->rate, 1000, cell[TOP_COLUMN_rate]);
    percent(figures->hits, cell[TOP_COLUMN_hits]);
    percent(figures->fell, cell[TOP_COLUMN_fell]);
    percent(figures->filled, cell[TOP_COLUMN_filled]);
    begin_line(layout, label, line);
    for (int i = 0; i < TOP_COLUMNS; i++) {
        add_cell(layout, i, cell[i], line);
    }
    int filled = (int)(share * layout->bar_width + 0.5);
    filled = LESSER(filled, layout->bar_width);
    size_t used = strlen(line);
    if (filled > 0 && used + 1 + (size_t)filled < TOP_LINE_SIZE) {
        line[used++] = ' ';
        memset(line + used, '#', (size_t)filled);
        line[used + (size_t)filled] = '\0';
    }
}

/* Returns `resident` divided by `most`, or 0 if `resident` is unknown. */
static double part_of(uint64_t resident, double most)
{
    return resident != SNAPSHOT_UNKNOWN && most > 0 ? (double)resident / most : 0;
}

void top_text_process(const struct top_layout *layout, const struct top_process *process, double most,
                      char line[TOP_LINE_SIZE])
{
    char label[5 * REMOTE_NAME_SIZE];
    struct text text = text_begin(label, sizeof label);
    text_add(&text, "%d ", process->target.process);
    text_add_shown(&text, process->target.name);
    if (process->workers > 0) {
        text_add(&text, "+%u", process->workers);
    }
    top_text_figures(layout, label, &process->total, part_of(process->total.resident, most), line);
}

void top_text_buckets(const struct top_layout *layout, const struct top_process *process, char line[TOP_LINE_SIZE])
{
    char label[64];
    snprintf(label, sizeof label, process->workers > 0 ? "of %d+%u" : "of %d", process->target.process,
             process->workers);
    top_text_heading(layout, label, line);
}

void top_text_bucket(const struct top_layout *layout, struct top_list *list, const struct top_process *process,
                     unsigned bucket, char line[TOP_LINE_SIZE])
{
    uint64_t total = process->total.resident;
    struct top_figures figures = top_list_bucket(list, process, bucket);
    double share = part_of(figures.resident, total != SNAPSHOT_UNKNOWN ? (double)total : 0);
    top_text_figures(layout, process->plan.label[bucket], &figures, share, line);
}

void top_text_title(const struct top_list *list, const struct top_view *view, char line[TOP_LINE_SIZE])
{
    snprintf(line, TOP_LINE_SIZE, "sockmalloc top: %u process%s, by %s, every %.3g s%s", list->count,
             list->count == 1 ? "" : "es", words[view->order], view->interval, view->folds ? "" : ", unfolded");
}

double top_text_most(const struct top_list *list)
{
    double most = 0;
    for (unsigned i = 0; i < list->count; i++) {
        uint64_t resident = list->process[i].total.resident;
        most = resident != SNAPSHOT_UNKNOWN ? GREATER(most, (double)resident) : most;
    }
    return most;
}

const struct top_process *top_text_selected(const struct top_list *list, const struct top_view *view)
{
    const struct top_process *first = NULL;
    for (unsigned i = 0; i < list->count; i++) {
        const struct top_process *process = &list->process[i];
        if (!process->is_folded && process->target.process == view->selected) {
            return process;
        }
        first = first == NULL && !process->is_folded ? process : first;
    }
    return first;
}

static const struct {
    const char *name;
    const char *help;
} helps[] = {
#define TOP_KEY(key, help) {key, help},
    TOP_KEY_ROWS(TOP_KEY)
#undef TOP_KEY
#define TOP_ORDER(name, key, word, help) {(const char[]){key, '\0'}, "sorts by " word ": " help},
        TOP_ORDER_ROWS(TOP_ORDER)
#undef TOP_ORDER
#define TOP_COLUMN(name, heading, from, help) {heading, help},
            TOP_COLUMN_ROWS(TOP_COLUMN)
#undef TOP_COLUMN
                {"share", TOP_BAR_HELP},
};

const char *top_text_help(unsigned number, char line[TOP_LINE_SIZE])
{
    if (number >= sizeof helps / sizeof helps[0]) {
        return NULL;
    }
    snprintf(line, TOP_LINE_SIZE, "%-8s %s", helps[number].name, helps[number].help);
    return line;
}
