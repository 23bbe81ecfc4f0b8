/* A process's mappings, as /proc/PID/maps lists them: for the command, not for the library. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MAPS_H
#define SOCKMALLOC_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct maps_row {
    uintptr_t start;
    uintptr_t end;
    char permissions[5]; /* "rw-p" */
    bool is_file;        /* a file is behind it, be it deleted or not */
    char path[512];      /* as the process sees it, cut where it is longer; "" for none */
};

/* The list, or NULL with errno set. The caller's to fclose. */
FILE *maps_open(int process);

/* The next row, or false. A process that ends meanwhile has no more. */
bool maps_next(FILE *maps, struct maps_row *row);

#endif
