/* Finds the library that the command preloads onto programs. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LIBRARY_PATH_H
#define SOCKMALLOC_LIBRARY_PATH_H

/*
 * Returns the path of the library if the command line names none: the library of the build tree that the command lies
 * in, else one in the command's own folder, else the one that was installed together with the command. A tree that was
 * moved as a whole, or that lies below a DESTDIR, is searched for its own one. If none of them is there, returns the
 * path to which the library would be installed.
 */
const char *library_path_own(void);

/*
 * Returns the path that the user has named as an absolute one, because LD_PRELOAD is read again by programs that the
 * server starts in other folders. The result stays valid until the next call. The file need not exist.
 */
const char *library_path_named(const char *named);

#endif
