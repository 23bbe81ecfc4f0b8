/* Has the functions that all subcommands share: they parse a command line by its rows, read arguments, and write
 * output. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/command.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/error.h"

struct command_row {
    const char *name;
    const char *arguments;
    const char *help;
};

static const struct command_row commands[] = {
#define COMMAND_ROW(name, arguments, help) {#name, arguments, help},
    COMMAND_ROWS(COMMAND_ROW)
#undef COMMAND_ROW
};

struct option_row {
    const char *command;
    struct command_option option;
};

static const struct option_row rows[] = {
#define COMMAND_OPTION(command, name, letter, argument, help) {#command, {name, letter, argument, false, help}},
    COMMAND_OPTION_ROWS(COMMAND_OPTION)
#undef COMMAND_OPTION
};

enum { ROWS = sizeof rows / sizeof rows[0], OPTIONS_MAX = 64 };

static struct argp_option command_translate(const struct command_option *option)
{
    return (struct argp_option){.name = option->name,
                                .key = option->key,
                                .arg = option->argument,
                                .flags = option->may_lack ? OPTION_ARG_OPTIONAL : 0,
                                .doc = option->help};
}

static void command_fill_options(const struct command_line *line, struct argp_option *options)
{
    int count = 0;
    for (int i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].command, line->name) == 0) {
            options[count++] = command_translate(&rows[i].option);
        }
    }
    for (const struct command_option *more = line->more; more != NULL && more->name != NULL; more++) {
        options[count++] = command_translate(more);
    }
    options[count] = (struct argp_option){0};
}

static const struct command_row *command_find(const char *name)
{
    const struct command_row *row = commands;
    while (strcmp(row->name, name) != 0) {
        row++; /* the loop ends, because the caller passes only names of rows */
    }
    return row;
}

/*
 * Receives each option and argument from argp and passes it to the subcommand. The words after a program's name belong
 * to that program, so argp stops at that name.
 */
static error_t command_take(int key, char *argument, struct argp_state *state)
{
    const struct command_line *line = state->input;
    if (key == ARGP_KEY_ARG && line->stops_behind) {
        state->next = state->argc;
    }
    const char *fault = NULL;
    if (key == ARGP_KEY_ARG) {
        fault = line->take(line->input, COMMAND_ARGUMENT, argument);
    } else if (key > 0 && key < ARGP_KEY_END) {
        fault = line->take(line->input, key, argument);
    } else {
        return ARGP_ERR_UNKNOWN; /* one of argp's own events, which argp then handles itself */
    }
    if (fault != NULL) {
        exit((int)error_report(EXIT_USAGE, "%s: %s", line->name, fault));
    }
    return 0;
}

void command_parse(const struct command_line *line, int count, char **arguments)
{
    struct argp_option options[OPTIONS_MAX];
    const struct command_row *row = command_find(line->name);
    char called[32] = "sockmalloc ";
    struct command_line input = *line;
    command_fill_options(line, options);
    struct argp argp = {.options = options, .parser = command_take, .args_doc = row->arguments, .doc = row->help};
    strncat(called, line->name, sizeof called - strlen(called) - 1);
    arguments[0] = called;
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, count, arguments, line->stops_behind ? ARGP_IN_ORDER : 0, NULL, &input);
}

const char *command_read_interval(const char *text, double *seconds)
{
    static const struct {
        const char *word;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"ms", 0.001}, {"min", 60}};
    char *end;
    double number = strtod(text, &end);
    bool fits = false;
    for (unsigned i = 0; i < sizeof units / sizeof units[0] && !fits; i++) {
        *seconds = number * units[i].seconds;
        fits = end != text && strcmp(end, units[i].word) == 0 && *seconds >= 0.001 && *seconds <= 86400;
    }
    return fits ? NULL : "an interval is a time from 1ms to 86400s: a number of seconds, or a number with ms, s or min";
}

struct timespec command_time(double seconds)
{
    double whole = floor(seconds);
    return (struct timespec){.tv_sec = (time_t)whole, .tv_nsec = (long)((seconds - whole) * 1e9)};
}

void command_wait(double seconds)
{
    struct timespec time = command_time(seconds);
    nanosleep(&time, NULL);
}

enum command_exit command_write(const char *text, size_t size)
{
    /* SIGPIPE is ignored, so that write reports a closed pipe as an error, and the command does not end without a
     * message */
    signal(SIGPIPE, SIG_IGN);
    while (size > 0) {
        ssize_t part = write(STDOUT_FILENO, text, size);
        if (part < 0 && errno == EINTR) {
            continue;
        }
        if (part < 0) {
            return error_report(EXIT_UNWRITTEN, "the output could not be written: %s", strerror(errno));
        }
        text += part;
        size -= (size_t)part;
    }
    return EXIT_DONE;
}
