/* Has the functions that all subcommands share. They parse a command line by the rows of command_rows.h, read
 * arguments, and write output. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/command.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/similar.h"
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
#define COMMAND_OPTION(command, name, letter, argument, help) {#command, {name, letter, argument, false, help, 0}},
    COMMAND_OPTION_ROWS(COMMAND_OPTION)
#undef COMMAND_OPTION
};

enum { ROWS = sizeof rows / sizeof rows[0], OPTIONS_MAX = 64 };

static struct argp_option command_translate(const struct command_option *option)
{
    bool is_marked = option->argument != NULL && option->argument[0] == '?';
    return (struct argp_option){.name = option->name[0] != '\0' ? option->name : NULL,
                                .key = option->key,
                                .group = option->group,
                                .arg = is_marked ? option->argument + 1 : option->argument,
                                .flags = option->may_lack || is_marked ? OPTION_ARG_OPTIONAL : 0,
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
        row++; /* the loop ends, because callers pass only names that a row has */
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
        /* argp also calls this function for events that are no option and no argument; this result makes argp handle
         * such an event itself */
        return ARGP_ERR_UNKNOWN;
    }
    if (fault != NULL) {
        exit((int)error_report(EXIT_USAGE, "%s: %s", line->name, fault));
    }
    return 0;
}

/* Returns the option that `word` names: "--name", "--name=value", or only the beginning of a name. If several names
 * have this beginning, returns the last of these options. Returns NULL if no name has this beginning. */
static const struct argp_option *command_find_option(const struct argp_option *options, const char *word)
{
    size_t length = strcspn(word + 2, "=");
    const struct argp_option *found = NULL;
    for (const struct argp_option *option = options; option->name != NULL || option->doc != NULL; option++) {
        if (option->name != NULL && strncmp(option->name, word + 2, length) == 0) {
            if (option->name[length] == '\0') {
                return option;
            }
            found = option;
        }
    }
    return found;
}

/* Returns true if an option's argument is the next word, unless the argument stands behind the option in one word. An
 * argument that may be absent is never the next word. */
static bool command_needs_argument(const struct argp_option *option)
{
    return option->arg != NULL && (option->flags & OPTION_ARG_OPTIONAL) == 0;
}

/* Returns true if the word is an option of one letter whose argument is the next word, such as -p. */
static bool command_is_letter(const struct argp_option *options, const char *word)
{
    for (const struct argp_option *option = options; option->name != NULL || option->doc != NULL; option++) {
        if (word[0] == '-' && word[1] == option->key && word[1] != '\0' && word[2] == '\0') {
            return command_needs_argument(option);
        }
    }
    return false;
}

/* Ends the process with an error if the word is no option but resembles an option. The error names that option. */
static void command_check_option(const struct command_line *line, const struct argp_option *options, const char *word)
{
    static const char *const others[] = {"help", "usage", "version"};
    char name[48];
    struct similar meant = {0};
    size_t length = strcspn(word + 2, "=");
    if (length >= sizeof name) {
        return;
    }
    memcpy(name, word + 2, length);
    name[length] = '\0';
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strncmp(others[i], name, length) == 0) {
            return;
        }
    }
    for (const struct argp_option *option = options; option->name != NULL || option->doc != NULL; option++) {
        if (option->name != NULL) {
            similar_try(&meant, name, option->name);
        }
    }
    if (meant.word != NULL) {
        exit((int)error_report(EXIT_USAGE, "%s: there is no option --%s; did you mean --%s?", line->name, name,
                               meant.word));
    }
}

/*
 * Checks the words for mistyped options before argp parses them, because argp's message would not name the option that
 * was probably meant.
 */
static void command_check_options(const struct command_line *line, const struct argp_option *options, char **arguments)
{
    for (char **word = arguments + 1; *word != NULL && strcmp(*word, "--") != 0; word++) {
        bool is_long = strncmp(*word, "--", 2) == 0;
        if (!is_long && (*word)[0] != '-' && line->stops_behind) {
            return;
        }
        const struct argp_option *option = is_long ? command_find_option(options, *word) : NULL;
        if (is_long && option == NULL) {
            command_check_option(line, options, *word);
        }
        bool takes_next = option != NULL && command_needs_argument(option) && strchr(*word, '=') == NULL;
        if ((takes_next || command_is_letter(options, *word)) && word[1] != NULL) {
            word++;
        }
    }
}

void command_parse(const struct command_line *line, int count, char **arguments)
{
    struct argp_option options[OPTIONS_MAX];
    const struct command_row *row = command_find(line->name);
    char called[32] = "sockmalloc ";
    struct command_line input = *line;
    command_fill_options(line, options);
    command_check_options(line, options, arguments);
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

bool command_write_all(int file, const char *text, size_t size)
{
    /* SIGPIPE is ignored, so that write reports a closed pipe as an error, and the command does not end without a
     * message */
    signal(SIGPIPE, SIG_IGN);
    while (size > 0) {
        ssize_t part = write(file, text, size);
        if (part < 0 && errno != EINTR) {
            return false;
        }
        text += part > 0 ? part : 0;
        size -= part > 0 ? (size_t)part : 0;
    }
    return true;
}

enum command_exit command_write(const char *text, size_t size)
{
    return command_write_all(STDOUT_FILENO, text, size)
               ? EXIT_DONE
               : error_report(EXIT_UNWRITTEN, "the output could not be written: %s", strerror(errno));
}

static bool command_write_directly(const char *path, const char *text, size_t size)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = file >= 0 && command_write_all(file, text, size);
    return file >= 0 && close(file) == 0 && is_written;
}

/*
 * Writes a new file in the directory of `path`, and renames it to `path`. The new file has the mode that open would
 * give a new file: 0666 without the bits of the umask.
 */
static bool command_replace(const char *path, const char *text, size_t size)
{
    char made[PATH_MAX];
    mode_t mask = umask(0);
    umask(mask);
    snprintf(made, sizeof made, "%.*s.XXXXXX", PATH_MAX - 8, path);
    int file = mkostemp(made, O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    bool is_written = command_write_all(file, text, size) && fchmod(file, 0666 & ~mask) == 0;
    is_written = close(file) == 0 && is_written && rename(made, path) == 0;
    if (!is_written) {
        int kept = errno;
        unlink(made);
        errno = kept;
    }
    return is_written;
}

enum command_exit command_write_file(const char *path, const char *text, size_t size)
{
    struct stat status;
    char target[PATH_MAX];
    bool is_there = stat(path, &status) == 0;
    bool is_written;
    if (is_there && !S_ISREG(status.st_mode)) {
        is_written = command_write_directly(path, text, size);
    } else {
        /* if `path` is a symbolic link, the link stays, and the file that it refers to is replaced */
        is_written = command_replace(is_there && realpath(path, target) != NULL ? target : path, text, size);
    }
    return is_written ? EXIT_DONE : error_report(EXIT_UNWRITTEN, "%s can't be written: %s", path, strerror(errno));
}
