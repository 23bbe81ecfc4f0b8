/* sockmalloc stat: prints the statistics of a live process, which it reads from outside. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "sockmalloc.h"
#include "statistics/format.h"

struct stat_wish {
    const char *whose;
    double interval; /* seconds from one printing of the statistics to the next; 0 prints them once */
    bool by_signal;
    enum format format;
};

static const char *stat_take(void *input, int key, const char *argument)
{
    struct stat_wish *wish = input;
    switch (key) {
    case 'i':
        return command_read_interval(argument, &wish->interval);
    case 'j':
        wish->format = FORMAT_JSON;
        return NULL;
    case 'p':
        wish->format = FORMAT_PROMETHEUS;
        return NULL;
    case 's':
        wish->by_signal = true;
        return NULL;
    default:
        return command_take_process(&wish->whose, argument);
    }
}

static enum command_exit stat_print(struct remote_process *target, enum format format)
{
    static char buffer[FORMAT_SIZE];
    static struct snapshot snapshot;
    enum remote_process_state state = look_take(target, &snapshot);
    if (state != REMOTE_READ) {
        return remote_process_report(target, state);
    }
    struct text text = text_begin(buffer, sizeof buffer);
    format_print(format, &snapshot, &remote_snapshot_plan, &text);
    format_print_end(format, &snapshot, &text);
    return command_write(buffer, text.used);
}

/*
 * Sends the signal that the process has for statistics, with a value that keeps it from the program's own handler. The
 * number of the signal is read from the memory of the process, because its SOCKMALLOC_SIGNAL may differ from the
 * default. The process may have forged the number, but option_set_makes_sense allows only signals that the setting
 * takes. `handle` is from remote_process_hold.
 */
static enum command_exit stat_ask_held(struct remote_process *target, int handle)
{
    static struct snapshot snapshot;
    enum remote_process_state state = look_take(target, &snapshot);
    if (state != REMOTE_READ) {
        return remote_process_report(target, state);
    }
    int number = (int)options.number[OPTION_SIGNAL];
    if (number == 0) {
        return error_report(EXIT_FORBIDDEN, "process %d (%s) has no signal for statistics: SOCKMALLOC_SIGNAL=off",
                            target->process, target->name);
    }
    if (!remote_process_queue(target, handle, number, SOCKMALLOC_DUMP_ONLY)) {
        return errno == ESRCH ? remote_process_report(target, REMOTE_GONE)
                              : error_report(EXIT_FORBIDDEN, "the signal could not be sent to process %d (%s): %s",
                                             target->process, target->name, strerror(errno));
    }
    return EXIT_DONE;
}

/*
 * Gets a handle on the process before it reads its memory, so that the signal goes to the process that was read, even
 * if the process ends and another one gets its process id.
 */
static enum command_exit stat_ask(struct remote_process *target)
{
    int handle = remote_process_hold(target);
    enum command_exit code = stat_ask_held(target, handle);
    if (handle >= 0) {
        close(handle);
    }
    return code;
}

static enum command_exit stat_do(struct remote_process *target, const struct stat_wish *wish)
{
    return wish->by_signal ? stat_ask(target) : stat_print(target, wish->format);
}

enum command_exit command_stat(int count, char **arguments)
{
    struct stat_wish wish = {0};
    struct remote_process target;
    command_parse(&(struct command_line){.name = "stat", .take = stat_take, .input = &wish}, count, arguments);
    int process = command_read_process(wish.whose);
    if (process == 0) {
        return EXIT_USAGE;
    }
    look_open(LOOK_MILLISECONDS);
    remote_process_open(&target, process);
    enum remote_process_state state = look_find(&target);
    if (state != REMOTE_READ) {
        return remote_process_report(&target, state);
    }
    enum command_exit code = stat_do(&target, &wish);
    while (code == EXIT_DONE && wish.interval > 0) {
        command_wait(wish.interval);
        code = stat_do(&target, &wish);
    }
    return code;
}
