/* Makes a directory for a test's reports of statistics, and checks the reports that the library writes there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_PLACE_H
#define SOCKMALLOC_TEST_PLACE_H

#include <stddef.h>

enum { PLACE_PATH_SIZE = 256 };

/* Sets up pools with the default settings, prepares statistics/dump.c (which writes the reports), and makes the
 * test's directory. */
void place_open(void);

/* Removes the directory with the files that tests make in it. Fails the test if the directory has any other file. */
void place_close(void);

/* place_directory returns the path of the test's directory, and place_path the path of the file `name` in it. The last
 * four paths that place_path has returned are valid. */
const char *place_directory(void);
const char *place_path(const char *name);

/* Sets the path to which the library writes its reports, as SOCKMALLOC_STATS does. */
void place_set_stats(const char *path);

/* place_write replaces the content of a file by a text. place_read stores the first `size` - 1 bytes of a file, and
 * a null byte behind them, in `buffer`. */
void place_write(const char *path, const char *text);
void place_read(const char *path, char *buffer, size_t size);

/* Fails the test unless the text consists of exactly `reports` complete reports of this process. */
void place_expect_reports(const char *text, unsigned reports);

#endif
