/* Makes a directory with files like those in /proc and /sys, so that a test can run code that reads such files. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_TREE_H
#define SOCKMALLOC_TEST_TREE_H

/* Makes the directory and returns its path, which the code under test puts in front of /proc and /sys. The path is
 * valid until tree_close. */
const char *tree_open(void);

/* Removes the directory and everything in it. */
void tree_close(void);

/* Writes a text to a file in the test's directory, and makes the directories of `path`, which begins with a slash. */
void tree_write(const char *path, const char *text);

/* Removes a file of the test's directory. */
void tree_remove(const char *path);

#endif
