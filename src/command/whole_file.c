/* Writes a text to a new file, which gets its name only when the text is complete. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/command.h"
#include "command/error.h"

static enum command_exit whole_file_report(const char *path)
{
    return error_report(EXIT_UNWRITTEN, "%s could not be written: %s", path, strerror(errno));
}

/*
 * Creates a temporary file, which only this user can read, in the folder of `path`, and stores its path in `name`.
 * Returns its descriptor, or -1 with errno set.
 */
static int whole_file_open(const char *path, char name[PATH_MAX])
{
    if (snprintf(name, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return mkostemp(name, O_CLOEXEC);
}

enum command_exit whole_file_check(const char *path)
{
    char name[PATH_MAX];
    if (access(path, F_OK) == 0) {
        errno = EEXIST;
        return whole_file_report(path);
    }
    int file = whole_file_open(path, name);
    if (file < 0) {
        return whole_file_report(path);
    }
    close(file);
    unlink(name);
    return EXIT_DONE;
}

/*
 * Renames the temporary file to `path`. Fails if `path` exists. Some file systems cannot refuse to replace a file;
 * there, a file that was created meanwhile is replaced.
 */
static bool whole_file_name(const char *name, const char *path)
{
    return renameat2(AT_FDCWD, name, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ||
           (errno == EINVAL && rename(name, path) == 0);
}

enum command_exit whole_file_write(const char *path, const char *text, size_t size)
{
    char name[PATH_MAX];
    int file = whole_file_open(path, name);
    if (file < 0) {
        return whole_file_report(path);
    }
    bool is_done = command_write_all(file, text, size) && fsync(file) == 0 && whole_file_name(name, path);
    enum command_exit code = is_done ? EXIT_DONE : whole_file_report(path);
    close(file);
    if (!is_done) {
        unlink(name);
    }
    return code;
}
