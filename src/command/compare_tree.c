/* Lists a process and all of its descendants, with the processor time and the page faults that each has had so far,
 * from /proc/PID/stat. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_tree.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* PROCESSES_MAX is the most processes of the machine that are read. Linux allows 32768 by default. */
enum { PROCESSES_MAX = 1 << 16, STAT_SIZE = 1024 };

static struct compare_process *processes;

/* Reads the figures of one process. Returns false if the process has ended. */
static bool read_process(int number, struct compare_process *process)
{
    char path[32];
    char text[STAT_SIZE];
    snprintf(path, sizeof path, "/proc/%d/stat", number);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file >= 0 ? read(file, text, sizeof text - 1) : -1;
    if (file >= 0) {
        close(file);
    }
    if (length <= 0) {
        return false;
    }
    text[length] = '\0';
    /* the name of the process stands in parentheses, and can have parentheses itself */
    const char *fields = strrchr(text, ')');
    char state;
    unsigned long minor;
    unsigned long child_minor;
    unsigned long major;
    unsigned long child_major;
    unsigned long user;
    unsigned long system;
    long child_user;
    long child_system;
    int parent;
    if (fields == NULL ||
        sscanf(fields + 1, " %c %d %*d %*d %*d %*d %*u %lu %lu %lu %lu %lu %lu %ld %ld", &state, &parent, &minor,
               &child_minor, &major, &child_major, &user, &system, &child_user, &child_system) != 10) {
        return false;
    }
    *process = (struct compare_process){.process = number,
                                        .parent = parent,
                                        .has_ended = state == 'Z' || state == 'X',
                                        .ticks = user + system,
                                        .faults = minor + major,
                                        .child_ticks = (uint64_t)(child_user + child_system),
                                        .child_faults = child_minor + child_major};
    return true;
}

/* Reads all processes of the machine. Returns their number. */
static size_t read_all(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc");
    const struct dirent *entry;
    while (directory != NULL && count < PROCESSES_MAX && (entry = readdir(directory)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && read_process(atoi(entry->d_name), &processes[count])) {
            count++;
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return count;
}

/* Returns true if `process` is one of the first `count` processes of the array. */
static bool is_among(int process, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (processes[i].process == process) {
            return true;
        }
    }
    return false;
}

static void exchange(size_t one, size_t other)
{
    struct compare_process process = processes[one];
    processes[one] = processes[other];
    processes[other] = process;
}

const struct compare_process *compare_tree(int root, size_t *count)
{
    if (processes == NULL) {
        processes = calloc(PROCESSES_MAX, sizeof *processes);
    }
    size_t all = processes != NULL ? read_all() : 0;
    size_t found = 0;
    for (size_t i = 0; i < all && found == 0; i++) {
        if (processes[i].process == root) {
            exchange(i, found++);
        }
    }
    /* moves the children of the first `found` processes to the front, until no further child is found */
    for (size_t before = 0; found > before;) {
        before = found;
        for (size_t i = found; i < all; i++) {
            if (is_among(processes[i].parent, found)) {
                exchange(i, found++);
            }
        }
    }
    *count = found;
    return processes;
}
