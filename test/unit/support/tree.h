/* A tree of files in a directory of the test's own, for rooms that read /proc and /sys. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_TREE_H
#define SOCKMALLOC_TEST_TREE_H

/* Makes the directory: what stands before /proc and /sys. It is good until tree_close. */
const char *tree_open(void);

/* Removes the directory and all that is in it. */
void tree_close(void);

/* Writes a file, whose directories are made. `path` begins with a slash. */
void tree_write(const char *path, const char *text);

/* Removes a file. */
void tree_remove(const char *path);

#endif
