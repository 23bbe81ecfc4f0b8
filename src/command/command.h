/* The subcommands, one function for each row of COMMAND_ROWS, and functions that they share. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMMAND_H
#define SOCKMALLOC_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "command/command_rows.h"

/*
 * Each subcommand's function gets the name of the subcommand as arguments[0] and returns the exit code of the command.
 */
#define COMMAND_FUNCTION(name, arguments, help) enum command_exit command_##name(int count, char **arguments_given);
COMMAND_ROWS(COMMAND_FUNCTION)
#undef COMMAND_FUNCTION

/*
 * One option of a subcommand. It is used in place of the struct of argp, because only command.c can include argp.h:
 * argp and getopt define names that files of the library define, too.
 */
struct command_option {
    const char *name;
    int key; /* the option's letter, or a number above all letters if the option has no letter */
    const char *argument;
    bool may_lack; /* true if the argument is optional */
    const char *help;
    /* --help lists the options by group, in rising order. An option whose name is "" is the heading of its group. */
    int group;
};

/*
 * command_taker is the type of a function of a subcommand. The function receives the options and arguments of the
 * command line one by one, and returns NULL, or a text that says what is wrong. `key` is the key of the option. For an
 * argument that belongs to no option, `key` is COMMAND_ARGUMENT. Options without a letter have keys from
 * COMMAND_LONG_ONLY on.
 */
enum { COMMAND_ARGUMENT = -1, COMMAND_LONG_ONLY = 0x1000 };
typedef const char *command_taker(void *input, int key, const char *argument);

struct command_line {
    const char *name; /* of the subcommand */
    command_taker *take;
    void *input; /* passed to `take` */
    /* options in addition to those of COMMAND_OPTION_ROWS; an entry without a name is last */
    const struct command_option *more;
    /* true if the words after the first argument are not parsed, because that argument is a program, which has options
     * of its own */
    bool stops_behind;
};

/* Parses the command line. Ends the process after --help, and if the command line has an error. */
void command_parse(const struct command_line *line, int count, char **arguments);

/*
 * These functions handle the interval between two samples, in seconds. command_read_interval reads the interval from a
 * text such as "0.5", "1s" or "250ms", and returns NULL or a text that says what is wrong. command_time converts an
 * interval to a struct timespec, for the kernel. command_wait sleeps for an interval.
 */
const char *command_read_interval(const char *text, double *seconds);
struct timespec command_time(double seconds);
void command_wait(double seconds);

/* Writes all bytes to a descriptor. Returns false, with errno set, if not all bytes can be written. */
bool command_write_all(int file, const char *text, size_t size);

/* Writes `size` bytes to stdout. Returns EXIT_DONE, or prints an error and returns EXIT_UNWRITTEN. */
enum command_exit command_write(const char *text, size_t size);

/*
 * Writes `size` bytes to a new file, and renames that file to `path`, so that no reader sees an incomplete file. A
 * `path` that is no regular file, such as a pipe, is written to directly. Returns EXIT_DONE, or prints an error and
 * returns EXIT_UNWRITTEN.
 */
enum command_exit command_write_file(const char *path, const char *text, size_t size);

#endif
