/* Makes a tree of files in a directory of the test's own, for code that reads /proc and /sys. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_TREE_H
#define SOCKMALLOC_TEST_TREE_H

/* Makes the directory and returns its path, which goes before /proc and /sys. The path is valid until tree_close. */
const char *tree_open(void);

/* Removes the directory and all that is in it. */
void tree_close(void);

/* Writes a file and makes the directories of its path, which begins with a slash. */
void tree_write(const char *path, const char *text);

/* Removes a file. */
void tree_remove(const char *path);

#endif
