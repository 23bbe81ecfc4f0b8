/* Lists the processes of this machine from /proc, and finds the processes that are named by the words of a command
 * line. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/process_list.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int process_compare(const void *one, const void *other)
{
    const struct process_row *first = one;
    const struct process_row *second = other;
    return (first->process > second->process) - (first->process < second->process);
}

/*
 * Adds a process to the list. Does not add a process that has ended, this command, its child process that reads other
 * processes, or a thread of the kernel. Returns false only if there is no memory.
 */
static bool process_list_add(struct process_list *list, unsigned *room, int process)
{
    enum { KERNEL_THREAD = 0x00200000 }; /* PF_KTHREAD (linux/sched.h) */
    struct remote_process target;
    struct remote_process_status status;
    if (!remote_process_status(process, &status) || process == (int)getpid() || status.parent == (int)getpid() ||
        (status.flags & KERNEL_THREAD) != 0) {
        return true;
    }
    if (list->count == *room) {
        *room = *room > 0 ? 2 * *room : 256;
        struct process_row *more = realloc(list->row, *room * sizeof *more);
        if (more == NULL) {
            return false;
        }
        list->row = more;
    }
    remote_process_open(&target, process);
    if (target.start != status.start) {
        return true; /* the process has ended since its id was read */
    }
    struct process_row *row = &list->row[list->count++];
    *row = (struct process_row){.process = process, .parent = status.parent, .start = status.start};
    memcpy(row->name, target.name, sizeof row->name);
    return true;
}

bool process_list_read(struct process_list *list)
{
    unsigned room = 0;
    const struct dirent *entry;
    *list = (struct process_list){0};
    DIR *directory = opendir("/proc");
    bool complete = directory != NULL;
    while (complete && (entry = readdir(directory)) != NULL) {
        int process = atoi(entry->d_name);
        complete = process <= 0 || process_list_add(list, &room, process);
    }
    if (directory != NULL) {
        closedir(directory);
    }
    if (list->count > 0) {
        qsort(list->row, list->count, sizeof list->row[0], process_compare);
    }
    return complete;
}

void process_list_free(struct process_list *list)
{
    free(list->row);
    *list = (struct process_list){0};
}

const struct process_row *process_list_find(const struct process_list *list, int process)
{
    const struct process_row wanted = {.process = process};
    return list->count > 0 ? bsearch(&wanted, list->row, list->count, sizeof list->row[0], process_compare) : NULL;
}

/* Returns true if `part`, a part of a control group's path, is the name of a systemd unit. */
static bool process_is_unit(const char *part)
{
    static const char *const endings[] = {".service", ".scope", ".slice", ".socket", ".mount", ".swap"};
    size_t length = strlen(part);
    for (unsigned i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t end = strlen(endings[i]);
        if (length > end && strcmp(part + length - end, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Calls `visit` for each part of each path in /proc/PID/cgroup, from the first part of a path to the last, until
 * `visit` returns true. Returns true if `visit` has returned true. A line of that file is, for example,
 * "0::/system.slice/nginx.service". A path may contain any byte except a line end.
 */
static bool process_visit_groups(int process, bool (*visit)(const char *part, void *input), void *input)
{
    char path[40];
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/cgroup", process);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *at = strchr(line, '/');
        char *rest = NULL;
        for (char *part = at != NULL ? strtok_r(at, "/", &rest) : NULL; part != NULL && !found;
             part = strtok_r(NULL, "/", &rest)) {
            found = visit(part, input);
        }
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static bool process_keep_unit(const char *part, void *input)
{
    if (process_is_unit(part)) {
        snprintf(input, PROCESS_UNIT_SIZE, "%s", part);
    }
    return false;
}

void process_unit(int process, char unit[PROCESS_UNIT_SIZE])
{
    unit[0] = '\0';
    process_visit_groups(process, process_keep_unit, unit);
}

static bool process_is_part(const char *part, void *input)
{
    return strcmp(part, input) == 0;
}

const char *process_word_read(struct process_word *word, const char *text)
{
    *word = (struct process_word){.kind = process_is_unit(text) ? PROCESS_WORD_UNIT : PROCESS_WORD_NAME, .text = text};
    size_t sign = text[0] == '-' || text[0] == '+' ? 1 : 0;
    if (text[0] == '\0') {
        return "an empty word names no process";
    }
    if (text[sign] < '0' || text[sign] > '9') {
        return NULL;
    }
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (*end != '\0' && sign == 0) {
        return NULL; /* the word is a name and no process id; a name may begin with a digit, as 7z does */
    }
    if (errno != 0 || *end != '\0' || number <= 0 || number > INT_MAX) {
        static char fault[64];
        snprintf(fault, sizeof fault, "%.40s is not a process id", text);
        return fault;
    }
    struct remote_process_status status;
    word->kind = PROCESS_WORD_ID;
    word->process = (int)number;
    word->start = remote_process_status(word->process, &status) ? status.start : 0;
    return NULL;
}

/*
 * Returns true if the process has this name, or if the file of its program (/proc/PID/exe) has. Compares at most 15
 * bytes with the name in /proc/PID/comm, because the kernel cuts that name to 15 bytes.
 */
static bool process_has_name(const struct process_row *row, const char *name)
{
    enum { NAME_BYTES = 15 };
    char link[40];
    char program[REMOTE_PATH_SIZE];
    if (strcmp(row->name, name) == 0 ||
        (strlen(row->name) == NAME_BYTES && strncmp(row->name, name, NAME_BYTES) == 0)) {
        return true;
    }
    snprintf(link, sizeof link, "/proc/%d/exe", row->process);
    ssize_t length = readlink(link, program, sizeof program - 1);
    if (length <= 0) {
        return false;
    }
    program[length] = '\0';
    const char *last = strrchr(program, '/');
    size_t bytes = strlen(name);
    /* /proc/PID/exe ends in " (deleted)" if the program's file was replaced, as by an upgrade */
    return last != NULL && strncmp(last + 1, name, bytes) == 0 &&
           (last[1 + bytes] == '\0' || strcmp(last + 1 + bytes, " (deleted)") == 0);
}

static bool process_is_named(const struct process_row *row, const struct process_word *word)
{
    switch (word->kind) {
    case PROCESS_WORD_ID:
        return row->process == word->process && row->start == word->start;
    case PROCESS_WORD_UNIT:
        return process_visit_groups(row->process, process_is_part, (void *)(uintptr_t)word->text);
    default:
        return process_has_name(row, word->text);
    }
}

/*
 * Returns true if the word names the process, or if the word is no systemd unit and names an ancestor of the process.
 */
static bool process_list_names_tree(const struct process_list *list, const struct process_row *row,
                                    const struct process_word *word)
{
    /*
     * the number of steps is bounded, because the parents can form a circle if processes ended while the list was read
     */
    for (unsigned steps = 0; row != NULL && steps <= list->count; steps++) {
        if (process_is_named(row, word)) {
            return true;
        }
        row = word->kind != PROCESS_WORD_UNIT ? process_list_find(list, row->parent) : NULL;
    }
    return false;
}

bool process_list_names(const struct process_list *list, const struct process_row *row, const struct process_word *word,
                        unsigned words)
{
    for (unsigned i = 0; i < words; i++) {
        if (process_list_names_tree(list, row, &word[i])) {
            return true;
        }
    }
    return words == 0;
}
