/* Finds the library that the command preloads onto programs. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/library_path.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Stores in `folder` the path of the folder that the command's own file lies in. Returns false if it cannot be known.
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

/* Stores in `path` the path of the library in a folder beside the command. Returns true if it is there. */
static bool lies_beside(const char *folder, const char *where, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s%s/libsockmalloc.so", folder, where);
    return length < PATH_MAX && access(path, R_OK) == 0;
}

const char *library_path_own(void)
{
    static char path[PATH_MAX];
    char folder[PATH_MAX];
    bool is_known = own_folder(folder);
    if (is_known && (lies_beside(folder, "/.libs", path) || lies_beside(folder, "", path))) {
        return path;
    }
    bool is_installed = access(LIBRARY_PATH, R_OK) == 0;
    return !is_installed && is_known && lies_beside(folder, "/../lib", path) ? path : LIBRARY_PATH;
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
