/* Finds the library that the command preloads onto programs. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LIBRARY_PATH_H
#define SOCKMALLOC_LIBRARY_PATH_H

/*
 * Returns the path of the library for a command line that names none. Searches, in this order, the build tree that the
 * command lies in, the command's own folder, and the place of the library relative to the command's folder as
 * installed. Files that were moved together, or that lie below a DESTDIR, are therefore found together. If no library
 * is found, returns the path to which it would be installed.
 */
const char *library_path_own(void);

/*
 * Returns the absolute path of the library that the user has named. LD_PRELOAD needs an absolute path, because programs
 * that the server starts in other folders read it again. The result stays valid until the next call. The file need not
 * exist.
 */
const char *library_path_named(const char *named);

#endif
