/* Reads the mappings of a process from /proc/PID/maps. Only the command uses this file; the library has its own code
 * that reads mappings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/maps.h"

#include <inttypes.h>
#include <string.h>

FILE *maps_open(int process)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/maps", process);
    return fopen(path, "re");
}

/* Copies the path of the mapped file from `text`, the end of a line of /proc/PID/maps. The path may contain blanks. */
static void maps_copy_path(struct maps_row *row, const char *text)
{
    size_t length = strcspn(text, "\n");
    length = length < sizeof row->path ? length : sizeof row->path - 1;
    memcpy(row->path, text, length);
    row->path[length] = '\0';
}

bool maps_next(FILE *maps, struct maps_row *row)
{
    char line[1024];
    int behind = 0;
    if (fgets(line, sizeof line, maps) == NULL) {
        return false;
    }
    for (int c = 0; strchr(line, '\n') == NULL && c != '\n' && c != EOF;) {
        c = getc(maps); /* skips the rest of a line that is longer than the buffer */
    }
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu %n", &row->start, &row->end, row->permissions,
               &row->inode, &behind) < 4) {
        return false;
    }
    row->is_file = row->inode != 0;
    maps_copy_path(row, line + behind);
    return true;
}
