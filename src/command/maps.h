/* Reads the mappings of a process from /proc/PID/maps. Only the command uses this file; the library has its own code
 * that reads mappings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MAPS_H
#define SOCKMALLOC_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct maps_row {
    uintptr_t start;
    uintptr_t end;
    char permissions[5]; /* permissions as in /proc/PID/maps, for example "rw-p" */
    unsigned long inode; /* inode of the mapped file; 0 if there is none */
    bool is_file;        /* true if a file is mapped, even if the file has been deleted */
    /* path of the file as the process sees it, or the kernel's name of another mapping, such as "[heap]"; cut if it is
     * longer than the array; "" if there is neither */
    char path[512];
};

/*
 * Opens /proc/PID/maps, the list of the mappings of a process. Returns NULL with errno set on failure. The caller
 * closes the list with fclose.
 */
FILE *maps_open(int process);

/* Reads the next mapping of the list into *row. Returns false at the end of the list. The list also ends when the
 * process ends. */
bool maps_next(FILE *maps, struct maps_row *row);

#endif
