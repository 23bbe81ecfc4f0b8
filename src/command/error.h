/* Prints an error of the command: one line on stderr. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ERROR_H
#define SOCKMALLOC_ERROR_H

#include "command/command_rows.h"

/* Prints "sockmalloc: " and the message to stderr. Returns `code`, the exit code for the caller to end with. */
enum command_exit error_report(enum command_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
