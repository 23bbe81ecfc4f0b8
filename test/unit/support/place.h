/* A directory of the test's own for dumps, and what must be found in them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_PLACE_H
#define SOCKMALLOC_TEST_PLACE_H

#include <stddef.h>

enum { PLACE_PATH_SIZE = 256 };

/* Lays a house with the default settings, readies the dump room and makes the directory. */
void place_open(void);

/* Removes the directory with the files that tests make; the test fails if anything else is there.
 */
void place_close(void);

/* The directory itself; and a path in it. The last four paths are good at a time. */
const char *place_directory(void);
const char *place_path(const char *name);

/* Sets SOCKMALLOC_STATS. */
void place_set_stats(const char *path);

/* Makes a file with a text; reads a whole one. */
void place_write(const char *path, const char *text);
void place_read(const char *path, char *buffer, size_t size);

/* Asserts that a text is `reports` whole reports of this process and nothing else. */
void place_expect_reports(const char *text, unsigned reports);

#endif
