/* sockmalloc top: shows all processes that have loaded the library, live and on the full screen. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "command/top_list.h"
#include "command/top_screen.h"

struct top_line {
    struct process_word word[TOP_WORDS];
    unsigned count;
    struct top_view view;
};

static const char *top_take(void *input, int key, const char *argument)
{
    struct top_line *line = input;
    if (key == 'i') {
        return command_read_interval(argument, &line->view.interval);
    }
    return line->count < TOP_WORDS ? process_word_read(&line->word[line->count++], argument)
                                   : "too many processes are given";
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
    static struct top_line line = {.view = {.interval = 1, .folds = true}};
    command_parse(&(struct command_line){.name = "top", .take = top_take, .input = &line}, count, arguments);
    list.word = line.word;
    list.words = line.count;
    look_open(LOOK_MILLISECONDS);
    enum remote_process_state state = top_list_look(&list);
    if (state != REMOTE_READ && line.count > 0) {
        struct remote_process last;
        remote_process_open(&last, list.last != 0 ? list.last : line.word[0].process);
        return last.process != 0 ? remote_process_report(&last, state)
                                 : error_report(EXIT_GONE, "there is no process %s", line.word[line.count - 1].text);
    }
    if (!top_screen_open()) {
        return error_report(EXIT_NO_TERMINAL, "top needs a terminal, and TERM must name its type");
    }
    top_run(&list, &line.view);
    top_screen_close();
    return EXIT_DONE;
}
