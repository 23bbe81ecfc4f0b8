/* Another process: its memory, and the library's view in it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/target.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "command/complaint.h"
#include "command/maps.h"

enum { SCAN_SIZE = 64 << 10 };

/* Reads a file of /proc/PID as a text, as far as it fits. A name in it may hold any byte, line ends
 * among them. */
static bool target_read_file(int process, const char *name, char *text, size_t size)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/%s", process, name);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, size - 1, file) : 0;
    text[length] = '\0';
    if (file != NULL) {
        fclose(file);
    }
    return length > 0;
}

static void target_read_name(struct target *target)
{
    if (!target_read_file(target->process, "comm", target->name, sizeof target->name)) {
        strcpy(target->name, "?");
    }
    size_t length = strlen(target->name);
    if (length > 0 && target->name[length - 1] == '\n') {
        target->name[length - 1] = '\0';
    }
}

bool target_status(int process, struct target_status *status)
{
    char text[1024];
    if (!target_read_file(process, "stat", text, sizeof text)) {
        return false;
    }
    const char *behind = strrchr(text, ')'); /* the name before it may hold anything */
    return behind != NULL &&
           sscanf(behind,
                  ") %c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                  "%" SCNu64,
                  &status->state, &status->parent, &status->start) == 3;
}

void target_open(struct target *target, int process)
{
    struct target_status status;
    *target = (struct target){.process = process};
    target->start = target_status(process, &status) ? status.start : 0;
    target_read_name(target);
}

bool target_is_same(const struct target *target)
{
    struct target_status status;
    return target_status(target->process, &status) && status.start == target->start;
}

int target_hold(const struct target *target)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, target->process, 0);
#else
    (void)target;
    return -1;
#endif
}

bool target_queue(const struct target *target, int handle, int number, int value)
{
#ifdef SYS_pidfd_send_signal
    if (handle >= 0) {
        siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};
        info.si_pid = getpid();
        info.si_uid = getuid();
        info.si_value.sival_int = value;
        return syscall(SYS_pidfd_send_signal, handle, number, &info, 0) == 0;
    }
#endif
    (void)handle;
    if (!target_is_same(target)) {
        errno = ESRCH;
        return false;
    }
    return sigqueue(target->process, number, (union sigval){.sival_int = value}) == 0;
}

/* Whether the process is still there, or only its number is: a zombie has no memory. */
static bool target_is_alive(const struct target *target)
{
    struct target_status status;
    return target_status(target->process, &status) && status.start == target->start &&
           strchr("ZXx", status.state) == NULL;
}

/* What a system call's failure says of the process. */
static enum target_state target_judge(const struct target *target, int error)
{
    if (!target_is_alive(target)) {
        return TARGET_GONE;
    }
    return error == EPERM || error == EACCES ? TARGET_FORBIDDEN : TARGET_WITHOUT;
}

enum target_state target_copy(const struct target *target, void *to, const void *from, size_t size)
{
    size_t done = 0;
    while (done < size) {
        struct iovec here = {.iov_base = (char *)to + done, .iov_len = size - done};
        struct iovec there = {.iov_base = (char *)(uintptr_t)from + done, .iov_len = size - done};
        ssize_t part = process_vm_readv(target->process, &here, 1, &there, 1, 0);
        if (part <= 0) {
            return target_judge(target, part < 0 ? errno : EFAULT);
        }
        done += (size_t)part;
    }
    return TARGET_READ;
}

enum target_state target_renew(struct target *target)
{
    struct view *view = &target->view;
    enum target_state state = target_copy(target, view, target->address, sizeof *view);
    if (state != TARGET_READ) {
        return state;
    }
    if (memcmp(view->magic, sockmalloc_view.magic, VIEW_MAGIC_SIZE) != 0) {
        return TARGET_WITHOUT;
    }
    view->library[VIEW_LIBRARY_SIZE - 1] = '\0';
    if (view->version != VIEW_VERSION || strcmp(view->library, sockmalloc_view.library) != 0 ||
        memcmp(&view->layout, &sockmalloc_view.layout, sizeof view->layout) != 0) {
        return TARGET_OTHER;
    }
    bool born = atomic_load_explicit(&view->born, memory_order_relaxed) != 0;
    return born && view->self == target->address ? TARGET_READ : TARGET_UNBORN;
}

/* The view's place in a mapping, or NULL. `left` is how many bytes may still be read, of this
 * mapping and others. */
static const struct view *target_scan(const struct target *target, const struct maps_row *row,
                                      char *buffer, size_t *left)
{
    size_t whole = row->end - row->start;
    uintptr_t end = row->start + (whole < TARGET_SCAN_MAPPING ? whole : TARGET_SCAN_MAPPING);
    for (uintptr_t at = row->start; at < end; at += SCAN_SIZE) {
        size_t size = end - at < SCAN_SIZE ? end - at : SCAN_SIZE;
        if (size > *left) {
            return NULL;
        }
        *left -= size;
        if (target_copy(target, buffer, (const void *)at, size) != TARGET_READ) {
            return NULL;
        }
        for (size_t within = 0; within + VIEW_MAGIC_SIZE <= size; within += VIEW_ALIGNMENT) {
            if (memcmp(buffer + within, sockmalloc_view.magic, VIEW_MAGIC_SIZE) == 0) {
                return (const struct view *)(at + within);
            }
        }
    }
    return NULL;
}

/* Looks through the mappings whose files are called like the library, or through the others. */
static bool target_search(struct target *target, FILE *maps, bool named)
{
    struct maps_row row;
    size_t left = TARGET_SCAN_TOTAL;
    char *buffer = malloc(SCAN_SIZE);
    bool found = false;
    while (buffer != NULL && !found && maps_next(maps, &row)) {
        const char *name = strrchr(row.path, '/');
        if (row.is_file && strcmp(row.permissions, "rw-p") == 0 &&
            (name != NULL && strstr(name, "sockmalloc") != NULL) == named) {
            target->address = target_scan(target, &row, buffer, &left);
            found = target->address != NULL;
        }
    }
    if (found) {
        memcpy(target->library, row.path, sizeof target->library);
    }
    free(buffer);
    return found;
}

static enum target_state target_find_in(struct target *target, bool everywhere)
{
    char probe;
    FILE *maps = maps_open(target->process);
    if (maps == NULL) {
        return target_judge(target, errno);
    }
    bool found = target_search(target, maps, true);
    if (!found && everywhere) {
        rewind(maps);
        found = target_search(target, maps, false);
    }
    fclose(maps);
    if (found) {
        return target_renew(target);
    }
    /* Nothing found is also what a process looks like that may be listed, but not read. */
    enum target_state state = target_copy(target, &probe, sockmalloc_view.magic, 0);
    return state == TARGET_READ ? target_judge(target, 0) : state;
}

enum target_state target_find(struct target *target)
{
    return target_find_in(target, true);
}

enum target_state target_find_named(struct target *target)
{
    return target_find_in(target, false);
}

/* Why the kernel does not let us read, as far as it can be told. */
static const char *target_reason(void)
{
    char scope = '0';
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (file != NULL) {
        scope = (char)getc(file);
        fclose(file);
    }
    return scope > '0' ? "kernel.yama.ptrace_scope lets only its parent, or CAP_SYS_PTRACE, do that"
                       : "it is another user's, or has changed users: that needs CAP_SYS_PTRACE";
}

enum command_exit target_complain(const struct target *target, enum target_state state)
{
    int process = target->process;
    const char *name = target->name;
    switch (state) {
    case TARGET_GONE:
        return complain(EXIT_GONE, "process %d: there is none, or it has ended", process);
    case TARGET_FORBIDDEN:
        return complain(EXIT_FORBIDDEN, "process %d (%s) may not be read: %s", process, name,
                        target_reason());
    case TARGET_UNBORN:
        return complain(EXIT_WITHOUT, "process %d (%s): the library is not through with its start",
                        process, name);
    case TARGET_OTHER:
        return complain(EXIT_OTHER_VERSION,
                        "process %d (%s) carries sockmalloc %s, and this command is of %s%s",
                        process, name, target->view.library, PACKAGE_VERSION,
                        strcmp(target->view.library, PACKAGE_VERSION) == 0 ? " of another build"
                                                                           : "");
    case TARGET_SENSELESS:
        return complain(EXIT_DAMAGED, "process %d (%s): what its memory says makes no sense",
                        process, name);
    case TARGET_TOO_LARGE:
        return complain(EXIT_DAMAGED,
                        "process %d (%s): its tables are larger than this command reads", process,
                        name);
    case TARGET_LATE:
        return complain(EXIT_DAMAGED, "process %d (%s) can't be read in good time", process, name);
    case TARGET_BROKEN:
        return complain(EXIT_DAMAGED, "process %d (%s): reading its memory ended the reader",
                        process, name);
    case TARGET_UNTRIED:
        return complain(EXIT_FORBIDDEN, "process %d (%s): no process can be started to read it: %s",
                        process, name, strerror(errno));
    case TARGET_IN_THE_WAY:
        return complain(EXIT_DAMAGED,
                        "process %d (%s): its tables lie, by chance, where this command's own "
                        "memory does; begin again",
                        process, name);
    default:
        return complain(EXIT_WITHOUT, "process %d (%s) does not carry the library", process, name);
    }
}
