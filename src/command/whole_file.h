/* Writes a text to a new file, which gets its name only when the text is complete. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_WHOLE_FILE_H
#define SOCKMALLOC_WHOLE_FILE_H

#include <stddef.h>

#include "command/command_rows.h"

/*
 * Returns EXIT_DONE if no file has this path and files can be created in its folder. Otherwise prints an error and
 * returns its exit code. A caller that works long before it writes its result calls this function before the work.
 */
enum command_exit whole_file_check(const char *path);

/*
 * Writes the text to a temporary file, which only this user can read, in the folder of `path`, and then renames that
 * file to `path`. Does not replace a file. Returns EXIT_DONE. On failure removes the temporary file, prints an error
 * and returns its exit code.
 */
enum command_exit whole_file_write(const char *path, const char *text, size_t size);

#endif
