/*
 * Starts a program with the library preloaded: reads the options of the command line, makes the environment of the
 * program, and executes the program.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LAUNCH_H
#define SOCKMALLOC_LAUNCH_H

#include "command/command.h"

/* The options and the program that the command line of `run` or `check` has named. */
struct launch {
    char **arguments;    /* all arguments */
    char **program;      /* the program and its arguments, within `arguments`; NULL before launch_parse */
    double sample;       /* seconds that --sample gives; 0 if that option is absent */
    const char *library; /* path of the library: the command's own unless --library names another */
};

/*
 * Parses the command line of the subcommand `name`. The subcommand has an option for each setting, such as
 * --stats-at-exit for SOCKMALLOC_STATS_AT_EXIT. Stores the settings in the environment of this process. Returns
 * EXIT_DONE, or prints an error and returns EXIT_USAGE if the command line names no program.
 */
enum command_exit launch_parse(struct launch *launch, const char *name, int count, char **arguments);

/*
 * Returns EXIT_DONE if the program can be started with the library. Otherwise prints an error and returns its exit
 * code.
 */
enum command_exit launch_judge(const struct launch *launch);

/*
 * Executes the program with the library preloaded. Returns only if the program cannot be executed, after printing an
 * error. Returns the exit code of the error.
 */
enum command_exit launch_execute(const struct launch *launch);

#endif
