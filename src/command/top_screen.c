/* Shows `top` on the full screen: draws lines that fit the width, and reads keys. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/top_screen.h"

#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bounds.h"

/* The number of lines that show neither a process nor a bucket: the title, two headings and the last line. */
enum { FIXED_LINES = 4 };

/*
 * The numbers of the pairs of foreground and background colours. Number 0 is the terminal's own colours, which all
 * other text has.
 */
enum { PAIR_BAR = 1, PAIR_WARNING = 2, PAIR_GOOD = 3 };
static bool has_pairs;

/* If at least this share of the requests falls through (gets no slot of the pools, so that mimalloc has to serve it),
 * the share is shown in the colour of a warning. */
static const double much_fell = 0.1;

static SCREEN *screen;

/* Returns true unless the environment variable NO_COLOR is set and not empty. See https://no-color.org. */
static bool wants_colours(void)
{
    const char *value = getenv("NO_COLOR");
    return value == NULL || value[0] == '\0';
}

static void open_colours(void)
{
    has_pairs = wants_colours() && has_colors() && start_color() == OK && use_default_colors() == OK;
    if (has_pairs) {
        init_pair(PAIR_BAR, COLOR_CYAN, -1);
        init_pair(PAIR_WARNING, COLOR_RED, -1);
        init_pair(PAIR_GOOD, COLOR_GREEN, -1);
    }
}

const char *top_screen_open(void)
{
    bool is_terminal = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
    screen = is_terminal ? newterm(NULL, stdout, stdin) : NULL;
    if (screen == NULL) {
        return "top needs a terminal, and TERM must name its type; --batch needs none";
    }
    set_term(screen);
    open_colours();
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    return NULL;
}

void top_screen_close(void)
{
    endwin();
    delscreen(screen);
}

static void draw_heading(int line, const char *text)
{
    attron(A_REVERSE);
    mvhline(line, 0, ' ', COLS);
    mvaddnstr(line, 0, text, COLS);
    attroff(A_REVERSE);
}

/* Sets the colour of one figure in a line that is already drawn. */
static void colour_figure(int line, const struct top_layout *layout, enum top_column column, short pair)
{
    if (has_pairs && layout->end[column] != 0) {
        mvchgat(line, layout->end[column] - 4, 4, A_NORMAL, pair, NULL);
    }
}

static void draw_figures(int line, const struct top_layout *layout, const char *text, const struct top_figures *figures)
{
    mvaddnstr(line, 0, text, COLS);
    if (figures->fell >= much_fell) {
        colour_figure(line, layout, TOP_COLUMN_fell, PAIR_WARNING);
    }
    if (figures->rate > 0) {
        colour_figure(line, layout, TOP_COLUMN_rate, PAIR_GOOD);
    }
    if (has_pairs && layout->bar_width > 0) {
        mvchgat(line, layout->bar, layout->bar_width, A_NORMAL, PAIR_BAR, NULL);
    }
}

static int draw_processes(int line, int end, const struct top_layout *layout, const struct top_list *list,
                          const struct top_process *selected)
{
    char text[TOP_LINE_SIZE];
    double most = top_text_most(list);
    for (unsigned i = 0; i < list->count && line < end; i++) {
        const struct top_process *process = &list->process[i];
        if (!process->is_folded) {
            top_text_process(layout, process, most, text);
            draw_figures(line, layout, text, &process->total);
            if (process == selected) {
                mvchgat(line, 0, layout->label, A_BOLD | A_UNDERLINE, 0, NULL);
            }
            line++;
        }
    }
    return line;
}

/* Draws the buckets of the selected process, with the figures of the workers that are shown in its line. */
static void draw_buckets(int line, int end, const struct top_layout *layout, struct top_list *list,
                         const struct top_process *process)
{
    char text[TOP_LINE_SIZE];
    top_text_buckets(layout, process, text);
    draw_heading(line, text);
    for (unsigned bucket = 0; bucket < process->snapshot.buckets && ++line < end; bucket++) {
        struct top_figures figures = top_list_bucket(list, process, bucket);
        top_text_bucket(layout, list, process, bucket, text);
        draw_figures(line, layout, text, &figures);
    }
}

static void draw_list(struct top_list *list, const struct top_view *view)
{
    char text[TOP_LINE_SIZE];
    const struct top_process *selected = top_text_selected(list, view);
    struct top_layout layout = top_text_layout(COLS);
    top_text_heading(&layout, "process", text);
    draw_heading(1, text);
    if (selected == NULL) {
        mvaddnstr(2, 0, "no process that may be read carries the library", COLS);
        return;
    }
    /* The buckets get as many lines as they need, but two lines at least are left for the processes. */
    int wanted = (int)selected->snapshot.buckets;
    int room = LINES - FIXED_LINES - wanted;
    int line = draw_processes(2, 2 + GREATER(room, 2), &layout, list, selected);
    draw_buckets(line, LINES - 1, &layout, list, selected);
}

/* Draws the help. Uses two columns if the screen has too few lines for one column. */
static void draw_help(void)
{
    char text[TOP_LINE_SIZE];
    unsigned lines = (unsigned)GREATER(LINES - 2, 1);
    bool is_long = top_text_help(lines, text) != NULL;
    int width = is_long ? COLS / 2 : COLS;
    for (unsigned i = 0; i < 2 * lines && top_text_help(i, text) != NULL; i++) {
        mvaddnstr(1 + (int)(i % lines), (int)(i / lines) * width, text, width - 1);
    }
}

void top_screen_draw(struct top_list *list, const struct top_view *view)
{
    char title[TOP_LINE_SIZE];
    erase();
    top_text_title(list, view, title);
    mvaddnstr(0, 0, title, COLS);
    if (view->shows_help) {
        draw_help();
    } else {
        draw_list(list, view);
    }
    /* one column is left free, because writing to the last column of the last line would scroll the terminal */
    mvaddnstr(LINES - 1, 0, view->shows_help ? "any key goes back" : "q quit  ? help  f fold  up/down select",
              COLS - 1);
    refresh();
}

/* Selects the process below (`step` is 1) or above (`step` is -1) the selected one. */
static void select_next(const struct top_list *list, struct top_view *view, int step)
{
    const struct top_process *selected = top_text_selected(list, view);
    int at = selected != NULL ? (int)(selected - list->process) + step : 0;
    while (at >= 0 && at < (int)list->count && list->process[at].is_folded) {
        at += step;
    }
    if (at >= 0 && at < (int)list->count) {
        view->selected = list->process[at].target.process;
    }
}

static const struct {
    int key;
    enum top_order order;
} orders[] = {
#define TOP_ORDER(name, key, word, help) {key, TOP_BY_##name},
    TOP_ORDER_ROWS(TOP_ORDER)
#undef TOP_ORDER
};

bool top_screen_wait(const struct top_list *list, struct top_view *view, int milliseconds)
{
    timeout(milliseconds);
    int key = getch();
    if (view->shows_help) {
        view->shows_help = key == ERR || key == KEY_RESIZE;
        return key != ERR || isatty(STDIN_FILENO) != 0;
    }
    for (unsigned i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        view->order = orders[i].key == key ? orders[i].order : view->order;
    }
    switch (key) {
    case 'q':
        return false;
    case '?':
        view->shows_help = true;
        return true;
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
        return isatty(STDIN_FILENO); /* the terminal is gone if stdin is no terminal any more */
    default:
        return true; /* the key was a sort key, a change of the window's size, or a key without a meaning */
    }
}
