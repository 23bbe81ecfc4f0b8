/* Shows `top` on the full screen: draws lines that fit the width, and reads keys. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/top_screen.h"

#include <ncurses.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bounds.h"
#include "base/text.h"

/*
 * Below 72 columns the narrow columns are used. With 40 columns they leave a short label, numbers of four characters,
 * and six characters for the bar.
 */
enum { WIDE = 72, LABEL_WIDE = 20, LABEL_NARROW = 9 };

/* Lines that show no process and no bucket: the title, two headings and the help. */
enum { FIXED_LINES = 4, COMPACT_SIZE = 8 };

/* The columns of numbers between the label and the bar: their headings and widths. */
static const struct {
    const char *wide;
    int wide_width;
    const char *narrow;
    int narrow_width;
} numbers[] = {{"live", 8, "live", 5}, {"cached", 8, "cach", 5}, {"resident", 9, "mem", 5},
               {"rate/s", 8, "/s", 5}, {"hits", 6, "hit", 5},    {"filled", 7, "", 0}};

enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static SCREEN *screen;

bool top_screen_open(void)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return false;
    }
    screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) {
        return false;
    }
    set_term(screen);
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    return true;
}

void top_screen_close(void)
{
    endwin();
    delscreen(screen);
}

/* Prints a number in at most four characters: 999, 9.9k, 99k, 999k and so on. */
static void compact(double number, double unit, char text[COMPACT_SIZE])
{
    static const char units[] = " kmgtp";
    unsigned power = 0;
    while (number >= 999.5 && power + 2 < sizeof units) {
        number /= unit;
        power++;
    }
    if (power == 0) {
        snprintf(text, COMPACT_SIZE, "%.0f", number);
    } else {
        snprintf(text, COMPACT_SIZE, number < 9.95 ? "%.1f%c" : "%.0f%c", number, units[power]);
    }
}

static int number_width(int number)
{
    return COLS >= WIDE ? numbers[number].wide_width : numbers[number].narrow_width;
}

static int label_width(void)
{
    return COLS >= WIDE ? LABEL_WIDE : LABEL_NARROW;
}

static void draw_heading(int line, const char *label)
{
    attron(A_REVERSE);
    mvhline(line, 0, ' ', COLS);
    mvprintw(line, 0, "%-*.*s", label_width(), label_width(), label);
    for (int i = 0; i < NUMBERS; i++) {
        printw("%*s", number_width(i), COLS >= WIDE ? numbers[i].wide : numbers[i].narrow);
    }
    attroff(A_REVERSE);
}

/* Draws the bar in the rest of the line, filled up to the share. */
static void draw_bar(int line, double share)
{
    int start = label_width() + 1;
    for (int i = 0; i < NUMBERS; i++) {
        start += number_width(i);
    }
    int width = COLS - start;
    int filled = width > 0 ? (int)(share * width + 0.5) : 0;
    mvhline(line, start, '#', LESSER(filled, width));
}

/* Returns which share of `most` the resident bytes are, or 0 if the resident bytes are unknown. */
static double part_of(uint64_t resident, double most)
{
    return resident != SNAPSHOT_UNKNOWN && most > 0 ? (double)resident / most : 0;
}

static void draw_figures(int line, const char *label, const struct top_figures *figures, double share)
{
    char number[NUMBERS][COMPACT_SIZE];
    compact((double)figures->live, 1000, number[0]);
    compact((double)figures->cached, 1000, number[1]);
    if (figures->resident == SNAPSHOT_UNKNOWN) {
        snprintf(number[2], COMPACT_SIZE, "%s", COLS >= WIDE ? "unknown" : "?");
    } else {
        compact((double)figures->resident, 1024, number[2]);
    }
    compact(figures->rate, 1000, number[3]);
    snprintf(number[4], COMPACT_SIZE, "%.0f%%", figures->hits * 100);
    snprintf(number[5], COMPACT_SIZE, "%.0f%%", figures->filled * 100);
    mvprintw(line, 0, "%-*.*s", label_width(), label_width(), label);
    for (int i = 0; i < NUMBERS; i++) {
        printw("%*.*s", number_width(i), number_width(i), number[i]);
    }
    draw_bar(line, share);
}

static void draw_process(int line, const struct top_process *process, double most, bool selected)
{
    char label[5 * REMOTE_NAME_SIZE];
    struct text text = text_begin(label, sizeof label);
    text_add(&text, "%d ", process->target.process);
    text_add_shown(&text, process->target.name);
    if (process->workers > 0) {
        text_add(&text, "+%u", process->workers);
    }
    attron(selected ? A_BOLD : A_NORMAL);
    draw_figures(line, label, &process->total, part_of(process->total.resident, most));
    attroff(selected ? A_BOLD : A_NORMAL);
    if (selected) {
        mvchgat(line, 0, label_width(), A_BOLD | A_UNDERLINE, 0, NULL);
    }
}

/* Returns the process whose buckets are shown, or NULL if the list is empty. */
static const struct top_process *find_selected(const struct top_list *list, const struct top_view *view)
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

static int draw_processes(int line, int end, const struct top_list *list, const struct top_process *selected)
{
    double most = 0;
    for (unsigned i = 0; i < list->count; i++) {
        uint64_t resident = list->process[i].total.resident;
        bool more = resident != SNAPSHOT_UNKNOWN && (double)resident > most;
        most = more ? (double)resident : most;
    }
    for (unsigned i = 0; i < list->count && line < end; i++) {
        if (!list->process[i].is_folded) {
            draw_process(line, &list->process[i], most, &list->process[i] == selected);
            line++;
        }
    }
    return line;
}

/* Draws the buckets of a process and of the workers that are folded under it. The bar is the bucket's share of the
 * resident bytes of all buckets. */
static void draw_buckets(int line, int end, struct top_list *list, const struct top_process *process)
{
    char heading[64];
    snprintf(heading, sizeof heading, process->workers > 0 ? "of %d+%u" : "of %d", process->target.process,
             process->workers);
    draw_heading(line, heading);
    uint64_t total = process->total.resident;
    double all = total != SNAPSHOT_UNKNOWN ? (double)total : 0;
    for (unsigned bucket = 0; bucket < process->snapshot.buckets && ++line < end; bucket++) {
        struct top_figures figures = top_list_bucket(list, process, bucket);
        draw_figures(line, process->plan.label[bucket], &figures, part_of(figures.resident, all));
    }
}

static const struct {
    int key;
    enum top_order order;
    const char *word;
} orders[] = {{'r', TOP_BY_RATE, "rate"},       {'l', TOP_BY_LIVE, "live"}, {'c', TOP_BY_CACHED, "cached"},
              {'m', TOP_BY_RESIDENT, "memory"}, {'h', TOP_BY_HITS, "hits"}, {'p', TOP_BY_PROCESS, "process"}};

enum { ORDERS = sizeof orders / sizeof orders[0] };

static void draw_title(const struct top_list *list, const struct top_view *view)
{
    char title[128];
    snprintf(title, sizeof title, "sockmalloc top: %u process%s, by %s, every %.3g s%s", list->count,
             list->count == 1 ? "" : "es", orders[view->order].word, view->interval, view->folds ? "" : ", unfolded");
    mvaddnstr(0, 0, title, COLS);
}

static void draw_help(void)
{
    const char *help = COLS >= WIDE ? "q quit  up/down select  f fold  sort: r rate l live c cached m "
                                      "memory h hits p process"
                                    : "q quit f fold sort by: r l c m h p";
    mvaddnstr(LINES - 1, 0, help, COLS - 1); /* writing to the last column of the last line would scroll the terminal */
}

void top_screen_draw(struct top_list *list, const struct top_view *view)
{
    const struct top_process *selected = find_selected(list, view);
    erase();
    draw_title(list, view);
    draw_heading(1, "process");
    if (selected == NULL) {
        mvaddnstr(2, 0, "no process that may be read carries the library", COLS);
    } else {
        /* The buckets get as many lines as they need, but two lines at least are left for the processes. */
        int wanted = (int)selected->snapshot.buckets;
        int room = LINES - FIXED_LINES - wanted;
        int line = draw_processes(2, 2 + GREATER(room, 2), list, selected);
        draw_buckets(line, LINES - 1, list, selected);
    }
    draw_help();
    refresh();
}

/* Selects the next process on the screen, below (1) or above (-1). */
static void select_next(const struct top_list *list, struct top_view *view, int step)
{
    const struct top_process *selected = find_selected(list, view);
    int at = selected != NULL ? (int)(selected - list->process) + step : 0;
    while (at >= 0 && at < (int)list->count && list->process[at].is_folded) {
        at += step;
    }
    if (at >= 0 && at < (int)list->count) {
        view->selected = list->process[at].target.process;
    }
}

bool top_screen_wait(const struct top_list *list, struct top_view *view, int milliseconds)
{
    timeout(milliseconds);
    int key = getch();
    for (unsigned i = 0; i < ORDERS; i++) {
        view->order = orders[i].key == key ? orders[i].order : view->order;
    }
    switch (key) {
    case 'q':
        return false;
    case 'f':
        view->folds = !view->folds;
        return true;
    case KEY_UP:
        select_next(list, view, -1);
        return true;
    case KEY_DOWN:
        select_next(list, view, 1);
        return true;
    case ERR:
        return isatty(STDIN_FILENO); /* false ends the command, because the terminal is gone */
    default:
        return true; /* the key was a sort key, a change of size, or a key without a meaning */
    }
}
