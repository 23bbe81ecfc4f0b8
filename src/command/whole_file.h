/* Writes a text to a new file, which appears under its name only when it is complete. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_WHOLE_FILE_H
#define SOCKMALLOC_WHOLE_FILE_H

#include <stddef.h>

#include "command/command_rows.h"

/* Returns EXIT_DONE if there is no file of that name yet and its folder can be written to. Otherwise prints an error
 * and returns its exit code. It is for a check before the work whose result is written. */
enum command_exit whole_file_check(const char *path);

/*
 * Writes the text to a file beside `path` that only this user can read, and gives it the name `path` at the end. A file
 * of that name is not replaced. Returns EXIT_DONE, or prints an error and returns its exit code; then nothing is left.
 */
enum command_exit whole_file_write(const char *path, const char *text, size_t size);

#endif
