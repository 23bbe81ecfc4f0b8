/* A program run to its end with the library, and looked at in its last moment. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TRACED_RUN_H
#define SOCKMALLOC_TRACED_RUN_H

#include "command/launch.h"

/* Called when the process is about to end, with all its memory still there; `status` is what
 * waitpid will say. */
typedef enum command_exit traced_run_judge(int process, int status);

/*
 * Runs the program as ptrace's tracer, for the one stop before its end; signals pass. It ends with
 * us if we do. Returns what the judge said, or the exit code of a fault that has been said, as it
 * is where the program was ended so that there was no such stop.
 */
enum command_exit traced_run_program(const struct launch *launch, traced_run_judge *judge);

#endif
