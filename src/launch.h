/* How a program is started with the library: its options, and the environment made from them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LAUNCH_H
#define SOCKMALLOC_LAUNCH_H

#include "command.h"

/* A line of `run` or `check`, while it is taken: command_line's input with launch_take. */
struct launch {
    char **arguments;    /* all that was given ... */
    char **program;      /* ... of them the program and what follows; NULL while it has not come */
    const char *library; /* LIBRARY_PATH if none was named */
};

/* An option a setting: --stats-at-exit for SOCKMALLOC_STATS_AT_EXIT; ends with one without a name.
 */
const struct command_option *launch_options(void);

/* Takes the line's parts: settings go straight into this process's own environment. */
const char *launch_take(void *input, int key, const char *argument);

/* Whether the program can be started with the library: else the exit code of a fault that was said.
 */
enum command_exit launch_judge(const struct launch *launch);

/* Puts the library in front of what LD_PRELOAD names already. */
void launch_preload(const struct launch *launch);

/* Executes the program. Returns if that fails: the exit code of a fault that was said. */
enum command_exit launch_execute(const struct launch *launch);

#endif
