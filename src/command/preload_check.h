/* A program that is to be started with the library: which file it is, and whether that can work. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PRELOAD_CHECK_H
#define SOCKMALLOC_PRELOAD_CHECK_H

#include "command/command_rows.h"

/* Whether the library can be preloaded at all: there, readable, of this machine, with a name that
 * LD_PRELOAD can hold. EXIT_DONE, or the exit code of a fault that has been said. */
enum command_exit preload_check_judge_library(const char *library);

/*
 * Finds the program as execvp would, follows a script to its interpreter, also through env, and
 * says what is in the way: a static or foreign program, and privileges of its own, for which the
 * dynamic linker ignores LD_PRELOAD. EXIT_DONE, or the exit code of a fault that has been said.
 */
enum command_exit preload_check_judge(const char *name, const char *library);

#endif
