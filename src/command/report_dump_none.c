/* Replaces report_dump.c if the command is built without jansson: reports that JSON cannot be read. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/error.h"
#include "command/report_dump.h"

enum command_exit report_dump_add(struct report_sources *sources, FILE *file, const char *path)
{
    (void)sources;
    (void)file;
    return error_report(EXIT_DAMAGED,
                        "%s can't be read: this command was built without jansson, and reads recordings only", path);
}
