/* Finds the library that the command preloads onto programs. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LIBRARY_PATH_H
#define SOCKMALLOC_LIBRARY_PATH_H

/*
 * Returns the path of the library if the command line does not name a library. Searches the folder .libs of the
 * command's own folder, as in a build tree, then the command's own folder, and then the place at which the library was
 * installed together with the command. The last place is found relative to the command's folder, because all installed
 * files may have been moved, or may lie below a DESTDIR. If no library is found, returns the path to which the library
 * would be installed.
 */
const char *library_path_own(void);

/*
 * Returns the absolute path of the library that the user has named. LD_PRELOAD needs an absolute path, because the
 * preloaded program may start other programs in other folders, which inherit LD_PRELOAD. The result stays valid until
 * the next call. The file need not exist.
 */
const char *library_path_named(const char *named);

#endif
