/* Makes a directory of the test's own for reports, and checks the reports there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_PLACE_H
#define SOCKMALLOC_TEST_PLACE_H

#include <stddef.h>

enum { PLACE_PATH_SIZE = 256 };

/* Sets up pools with the default settings and statistics/dump.c, and makes the directory. */
void place_open(void);

/* Removes the directory and the files that tests make. The test fails if the directory holds any other file. */
void place_close(void);

/* place_directory returns the path of the directory, and place_path the path of a file in it. The last four paths that
 * place_path returned stay valid. */
const char *place_directory(void);
const char *place_path(const char *name);

/* Sets the path of SOCKMALLOC_STATS. */
void place_set_stats(const char *path);

/* place_write writes a text to a file, and place_read reads a whole file. */
void place_write(const char *path, const char *text);
void place_read(const char *path, char *buffer, size_t size);

/* Asserts that the text consists of exactly `reports` whole reports of this process. */
void place_expect_reports(const char *text, unsigned reports);

#endif
