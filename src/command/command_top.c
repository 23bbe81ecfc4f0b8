/* sockmalloc top: shows all processes that have loaded the library, live and on the full screen. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "command/top_list.h"
#include "command/top_screen.h"

struct top_line {
    int wanted[TOP_PROCESSES];
    unsigned count;
    bool is_wrong; /* true if an argument is no process id; then the error has been printed */
    struct top_view view;
};

static const char *top_take(void *input, int key, const char *argument)
{
    struct top_line *line = input;
    if (key == 'i') {
        return command_read_interval(argument, &line->view.interval);
    }
    if (line->count == TOP_PROCESSES) {
        return "too many process ids are given";
    }
    int process = command_read_process(argument);
    line->is_wrong = line->is_wrong || process == 0;
    line->wanted[line->count++] = process;
    return NULL;
}

/*
 * Returns the milliseconds until `due`, rounded up, because a wait that ended too early would be followed by waits of
 * length zero until `due`.
 */
static int top_milliseconds_until(uint64_t due)
{
    uint64_t now = top_list_now();
    return now < due ? (int)((due - now + 999999) / 1000000) : 0;
}

/* Shows the list until the user quits. The processes are read once per interval, also if keys come in between. */
static void top_run(struct top_list *list, struct top_view *view)
{
    uint64_t interval = (uint64_t)(view->interval * 1e9);
    uint64_t due = top_list_now() + interval;
    do {
        if (top_milliseconds_until(due) == 0) {
            due = top_list_now() + interval;
            top_list_look(list);
        }
        top_list_fold(list, view->folds);
        top_list_sort(list, view->order);
        top_screen_draw(list, view);
    } while (top_screen_wait(list, view, top_milliseconds_until(due)));
}

enum command_exit command_top(int count, char **arguments)
{
    static struct top_list list;
    struct top_line line = {.view = {.interval = 1, .folds = true}};
    command_parse(&(struct command_line){.name = "top", .take = top_take, .input = &line}, count, arguments);
    if (line.is_wrong) {
        return EXIT_USAGE;
    }
    list.wanted = line.count > 0 ? line.wanted : NULL;
    list.wanted_count = line.count;
    look_open(LOOK_MILLISECONDS);
    enum remote_process_state state = top_list_look(&list);
    if (state != REMOTE_READ && line.count > 0) {
        struct remote_process last;
        remote_process_open(&last, line.wanted[line.count - 1]);
        return remote_process_report(&last, state);
    }
    if (!top_screen_open()) {
        return error_report(EXIT_NO_TERMINAL, "top needs a terminal, and TERM must name its type");
    }
    top_run(&list, &line.view);
    top_screen_close();
    return EXIT_DONE;
}
