/* The command's parts: a function a row of COMMAND_ROWS, and what they share. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMMAND_H
#define SOCKMALLOC_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "command/command_rows.h"

/* Each takes its own name as arguments[0], and returns what the command ends with. */
#define COMMAND_FUNCTION(name, arguments, help) enum command_exit command_##name(int count, char **arguments_given);
COMMAND_ROWS(COMMAND_FUNCTION)
#undef COMMAND_FUNCTION

/* One option of a command's line. argp has names of its own for this, and getopt's, which the rooms
 * have, too: it is known to command.c alone. */
struct command_option {
    const char *name;
    int key; /* its letter, if it is one */
    const char *argument;
    bool may_lack; /* the argument */
    const char *help;
};

/* What takes the line's parts one by one: returns NULL, or what is wrong with it. Of an argument
 * that belongs to no option the key is COMMAND_ARGUMENT. */
enum { COMMAND_ARGUMENT = -1, COMMAND_LONG_ONLY = 0x1000 };
typedef const char *command_taker(void *input, int key, const char *argument);

struct command_line {
    const char *name; /* of the command */
    command_taker *take;
    void *input;                       /* the owner's */
    const struct command_option *more; /* beside the command's rows; ends with one without a name */
    bool stops_behind;                 /* at a first argument: a program, with options of its own */
};

/* Parses it. --help, and what is not understood, end the process. */
void command_parse(const struct command_line *line, int count, char **arguments);

/* Notes the one process that a line names: returns NULL, or what is wrong if it is a second. */
const char *command_take_process(const char **whose, const char *argument);

/* A process's number out of a text, or out of none, NULL. 0 where it is none, which is said: then
 * the caller ends with EXIT_USAGE. */
int command_read_process(const char *text);

/* Seconds between two looks: returns NULL, or what is wrong with the text; as the kernel takes
 * them; and waits so long. */
const char *command_read_interval(const char *text, double *seconds);
struct timespec command_time(double seconds);
void command_wait(double seconds);

/* Writes all of it to stdout at once. Says so if that fails. */
enum command_exit command_write(const char *text, size_t size);

#endif
