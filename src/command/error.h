/* What the command says when something is wrong: one line on stderr. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ERROR_H
#define SOCKMALLOC_ERROR_H

#include "command/command_rows.h"

/* "sockmalloc: ..." on stderr. Returns the exit code, for the caller to end with. */
enum command_exit error_report(enum command_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
