/* How a program is started with the library: its options, and the environment made from them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LAUNCH_H
#define SOCKMALLOC_LAUNCH_H

#include "command/command.h"

/* What a line of `run` or `check` says. */
struct launch {
    char **arguments;    /* all that was given ... */
    char **program;      /* ... of them the program and what follows; NULL while it has not come */
    const char *library; /* LIBRARY_PATH if none was named */
};

/*
 * Takes the line of the command of that name, which has an option a setting: --stats-at-exit for
 * SOCKMALLOC_STATS_AT_EXIT. Settings go straight into this process's own environment. A line
 * without a program is said to be wrong: then EXIT_USAGE, else EXIT_DONE.
 */
enum command_exit launch_parse(struct launch *launch, const char *name, int count, char **arguments);

/* Whether the program can be started with the library: else the exit code of a fault that was said.
 */
enum command_exit launch_judge(const struct launch *launch);

/* Executes the program with the library. Returns if that fails: the exit code of a fault that was
 * said. */
enum command_exit launch_execute(const struct launch *launch);

#endif
