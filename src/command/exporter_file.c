/* Writes the page of `sockmalloc exporter` to a file, for the textfile collector of Prometheus's node exporter. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/exporter_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/error.h"

#define FILE_NAME "sockmalloc.prom"
/* the collector reads only files whose names end in .prom, so it does not read this unfinished file */
#define FILE_BESIDE "sockmalloc.prom.new"

static int place = -1; /* descriptor of the directory; -1 until the directory is locked */
static const char *place_name;

enum command_exit exporter_file_open(const char *directory)
{
    int opened = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) {
        return error_report(EXIT_UNWRITTEN, "exporter: the directory %s cannot be opened: %s", directory,
                            strerror(errno));
    }
    if (flock(opened, LOCK_EX | LOCK_NB) != 0) {
        close(opened);
        return error_report(EXIT_UNWRITTEN, "exporter: another exporter writes to the directory %s", directory);
    }
    place = opened;
    place_name = directory;
    return EXIT_DONE;
}

/* Writes all bytes of the page, and sets the owner and the mode of the file. Returns false, with errno set, if that
 * fails. */
static bool file_fill(int file, const char *page, size_t size, const struct exporter_owner *owner)
{
    enum { FILE_MODE = 0644 };
    while (size > 0) {
        ssize_t part = write(file, page, size);
        if (part < 0 && errno != EINTR) {
            return false;
        }
        page += part > 0 ? part : 0;
        size -= part > 0 ? (size_t)part : 0;
    }
    return fchown(file, owner->user, owner->group) == 0 && fchmod(file, exporter_owner_mode(owner, FILE_MODE)) == 0;
}

enum command_exit exporter_file_write(const char *page, size_t size, const struct exporter_owner *owner)
{
    unlinkat(place, FILE_BESIDE, 0); /* an exporter that was killed may have left a file of this name */
    int file = openat(place, FILE_BESIDE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool is_whole = file >= 0 && file_fill(file, page, size, owner);
    int error = errno;
    if (file >= 0) {
        close(file);
    }
    if (is_whole && renameat(place, FILE_BESIDE, place, FILE_NAME) == 0) {
        return EXIT_DONE;
    }
    error = is_whole ? errno : error;
    unlinkat(place, FILE_BESIDE, 0);
    exporter_file_remove();
    return error_report(EXIT_UNWRITTEN, "exporter: %s/" FILE_NAME " cannot be written: %s", place_name,
                        strerror(error));
}

void exporter_file_remove(void)
{
    unlinkat(place, FILE_NAME, 0);
}
