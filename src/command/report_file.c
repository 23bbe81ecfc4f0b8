/* Opens a file of statistics for `sockmalloc report` and `sockmalloc advise`. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/report_file.h"

#include <errno.h>
#include <string.h>

#include "command/error.h"
#include "command/report_dump.h"

/* Adds to `sources` each server of which an open file has statistics. Statistics in JSON begin with a brace, and
 * recordings do not. */
static enum command_exit report_file_add_from(struct report_sources *sources, FILE *file, const char *path)
{
    int first = getc(file);
    if (first == EOF) {
        return ferror(file) ? error_report(EXIT_DAMAGED, "%s can't be read: %s", path, strerror(errno))
                            : error_report(EXIT_DAMAGED, "%s is empty", path);
    }
    ungetc(first, file);
    return first == '{' ? report_dump_add(sources, file, path) : report_source_add_recording(sources, file, path);
}

enum command_exit report_file_add(struct report_sources *sources, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return error_report(EXIT_DAMAGED, "%s can't be read: %s", path, strerror(errno));
    }
    enum command_exit code = report_file_add_from(sources, file, path);
    fclose(file);
    return code;
}
