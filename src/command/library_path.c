/* Finds the library that the command preloads onto programs. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/library_path.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Stores in `folder` the path of the folder with the command's own executable. Returns false if the path cannot be
 * read.
 */
static bool own_folder(char folder[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (length <= 0) {
        return false;
    }
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    return true;
}

/*
 * Stores in `path` the place of the library under the assumption that all installed files were moved together, or lie
 * below a DESTDIR. The relative path from BINARY_FOLDER to LIBRARY_PATH then leads from the command's folder to the
 * library. Returns true if a readable file is there.
 */
static bool lies_as_installed(const char *folder, char path[PATH_MAX])
{
    static const char bindir[] = BINARY_FOLDER;
    static const char library[] = LIBRARY_PATH;
    size_t common = 0; /* length of the common beginning of `bindir` and `library`, up to a slash */
    for (size_t at = 0; bindir[at] != '\0' && bindir[at] == library[at]; at++) {
        common = bindir[at] == '/' ? at : common;
    }
    size_t length = strlen(folder);
    size_t rest = strlen(bindir + common); /* the length of the part of `bindir` that `library` does not share */
    if (length < rest || strcmp(folder + length - rest, bindir + common) != 0) {
        return false;
    }
    int written = snprintf(path, PATH_MAX, "%.*s%s", (int)(length - rest), folder, library + common);
    return written < PATH_MAX && access(path, R_OK) == 0;
}

/* Stores in `path` the path of libsockmalloc.so in the folder whose path is `folder` with `where` appended. `where` is
 * "", or "/" and the name of a folder below `folder`. Returns true if a readable library is there. */
static bool lies_beside(const char *folder, const char *where, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s%s/libsockmalloc.so", folder, where);
    return length < PATH_MAX && access(path, R_OK) == 0;
}

const char *library_path_own(void)
{
    static char path[PATH_MAX];
    char folder[PATH_MAX];
    bool found = own_folder(folder) && (lies_beside(folder, "/.libs", path) || lies_beside(folder, "", path) ||
                                        lies_as_installed(folder, path));
    return found ? path : LIBRARY_PATH;
}

const char *library_path_named(const char *named)
{
    static char path[PATH_MAX];
    char folder[PATH_MAX];
    if (named[0] == '/' || getcwd(folder, sizeof folder) == NULL) {
        return named;
    }
    int length = snprintf(path, sizeof path, "%s/%s", folder, named);
    return length < PATH_MAX ? path : named;
}
