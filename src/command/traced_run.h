/* Runs a program with the library preloaded, and reads its memory right before it ends. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TRACED_RUN_H
#define SOCKMALLOC_TRACED_RUN_H

#include "command/launch.h"

/*
 * A function that is called right before the process ends, while all its memory is still there. `status` is what
 * waitpid will report.
 */
typedef enum command_exit traced_run_judge(int process, int status);

/*
 * Runs the program and traces it with ptrace, to stop it right before its end. Signals are passed on to it. The program
 * is killed if this process ends. Returns what `judge` returned. If there was no stop, as after SIGKILL, prints an
 * error and returns its exit code.
 */
enum command_exit traced_run_program(const struct launch *launch, traced_run_judge *judge);

#endif
