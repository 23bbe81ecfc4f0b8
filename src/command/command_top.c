/* sockmalloc top: shows all processes that have loaded the library, live on the full screen or as lines. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "base/bounds.h"
#include "base/text.h"
#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "command/now.h"
#include "command/top_list.h"
#include "command/top_screen.h"
#include "command/top_text.h"

struct top_line {
    struct process_word word[TOP_WORDS];
    unsigned count;
    struct top_view view;
    bool is_batch;
    uint64_t updates; /* after how many updates of the list the command ends; 0 for no limit */
};

static const char *top_take(void *input, int key, const char *argument)
{
    struct top_line *line = input;
    char *end;
    switch (key) {
    case 'i':
        return command_read_interval(argument, &line->view.interval);
    case 'b':
        line->is_batch = true;
        return NULL;
    case 'n':
        line->updates = strtoull(argument, &end, 10);
        return end != argument && *end == '\0' && line->updates > 0 ? NULL : "a count is a positive number";
    default:
        break;
    }
    return line->count < TOP_WORDS ? process_word_read(&line->word[line->count++], argument)
                                   : "too many processes are given";
}

/*
 * Returns the milliseconds until `due`, rounded up. If they were rounded down, the wait would end before `due`, and
 * waits of 0 ms would follow until `due`.
 */
static int top_milliseconds_until(uint64_t due)
{
    uint64_t now = now_nanoseconds();
    return now < due ? (int)((due - now + 999999) / 1000000) : 0;
}

/* Reads all processes again, and arranges them in the list as the view says. */
static void top_update(struct top_list *list, const struct top_view *view)
{
    top_list_look(list);
    top_list_fold(list, view->folds);
    top_list_sort(list, view->order);
}

/*
 * Shows the list until the user quits, or until it was updated `updates` times. The processes are read once per
 * interval, even if keys are typed in the meantime.
 */
static void top_run(struct top_list *list, struct top_view *view, uint64_t updates)
{
    uint64_t interval = (uint64_t)(view->interval * 1e9);
    uint64_t due = now_nanoseconds() + interval;
    uint64_t shown = 0;
    do {
        if (top_milliseconds_until(due) == 0) {
            due = now_nanoseconds() + interval;
            top_list_look(list);
            shown++;
        }
        top_list_fold(list, view->folds);
        top_list_sort(list, view->order);
        top_screen_draw(list, view);
    } while ((updates == 0 || shown < updates) && top_screen_wait(list, view, top_milliseconds_until(due)));
}

/*
 * Returns the width of a line in batch mode, in columns: the environment variable COLUMNS if it is at least 40, or else
 * 80.
 */
static int top_batch_width(void)
{
    enum { LEAST = 40, USUAL = 80 };
    const char *columns = getenv("COLUMNS");
    int width = columns != NULL ? atoi(columns) : 0;
    return width >= LEAST ? width : USUAL;
}

static void top_add_line(struct text *text, const char *line)
{
    text_add(text, "%s\n", line);
}

/* Prints what the full screen would show: all processes, and the buckets of the first process. */
static enum command_exit top_print(struct top_list *list, const struct top_view *view)
{
    static char buffer[(TOP_PROCESSES + BUCKET_LIMIT + 4) * TOP_LINE_SIZE];
    char line[TOP_LINE_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    int width = top_batch_width();
    struct top_layout layout = top_text_layout(width);
    const struct top_process *selected = top_text_selected(list, view);
    double most = top_text_most(list);
    top_text_title(list, view, line);
    line[LESSER(width, TOP_LINE_SIZE - 1)] = '\0';
    top_add_line(&text, line);
    top_text_heading(&layout, "process", line);
    top_add_line(&text, line);
    for (unsigned i = 0; i < list->count; i++) {
        if (!list->process[i].is_folded) {
            top_text_process(&layout, &list->process[i], most, line);
            top_add_line(&text, line);
        }
    }
    if (selected != NULL) {
        top_text_buckets(&layout, selected, line);
        top_add_line(&text, line);
        for (unsigned bucket = 0; bucket < selected->snapshot.buckets; bucket++) {
            top_text_bucket(&layout, list, selected, bucket, line);
            top_add_line(&text, line);
        }
    }
    return command_write(buffer, text.used);
}

/* Prints the list after each interval, with the rates of that interval. */
static enum command_exit top_run_batch(struct top_list *list, const struct top_view *view, uint64_t updates)
{
    enum command_exit code = EXIT_DONE;
    for (uint64_t shown = 0; code == EXIT_DONE && (updates == 0 || shown < updates); shown++) {
        if (shown > 0) {
            code = command_write("\n", 1);
        }
        command_wait(view->interval);
        top_update(list, view);
        code = code == EXIT_DONE ? top_print(list, view) : code;
    }
    return code;
}

enum command_exit command_top(int count, char **arguments)
{
    static struct top_list list;
    static struct top_line line = {.view = {.interval = 1, .folds = true}};
    command_parse(&(struct command_line){.name = "top", .take = top_take, .input = &line}, count, arguments);
    list.word = line.word;
    list.words = line.count;
    look_open(LOOK_MILLISECONDS);
    enum remote_process_state state = top_list_look(&list);
    if (state != REMOTE_READ && line.count > 0) {
        struct remote_process last = list.last;
        if (last.process == 0) {
            remote_process_open(&last, line.word[0].process);
        }
        return last.process != 0 ? remote_process_report(&last, state)
                                 : error_report(EXIT_GONE, "there is no process %s", line.word[line.count - 1].text);
    }
    if (line.is_batch) {
        return top_run_batch(&list, &line.view, line.updates);
    }
    const char *fault = top_screen_open();
    if (fault != NULL) {
        return error_report(EXIT_NO_TERMINAL, "%s", fault);
    }
    top_run(&list, &line.view, line.updates);
    top_screen_close();
    return EXIT_DONE;
}
