/* Runs a program with the library preloaded, and reads the program's memory right before the program ends. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TRACED_RUN_H
#define SOCKMALLOC_TRACED_RUN_H

#include "command/launch.h"

/*
 * The type of a function that is called right before the program ends, while all its memory still exists. `status` is
 * the value that waitpid will report.
 */
typedef enum command_exit traced_run_judge(int process, int status);

/*
 * Runs the program and traces it with ptrace, which stops the program right before its end. Passes on the signals that
 * the program receives. The kernel kills the program if this process ends. Returns the value that `judge` returned. If
 * the program was not stopped before its end, as after SIGKILL, prints an error and returns its exit code.
 */
enum command_exit traced_run_program(const struct launch *launch, traced_run_judge *judge);

#endif
