/* Finds the statistics that the library exports in another process, and reads the memory of that process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bounds.h"
#include "command/error.h"
#include "command/maps.h"

enum { SCAN_SIZE = 64 << 10 };

/*
 * Reads a file in /proc/PID as a string, cut if the array is too short. A name in the file may hold any byte, even a
 * line end.
 */
static bool remote_process_read_file(int process, const char *name, char *text, size_t size)
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

static void remote_process_read_name(struct remote_process *target)
{
    if (!remote_process_read_file(target->process, "comm", target->name, sizeof target->name)) {
        strcpy(target->name, "?");
    }
    size_t length = strlen(target->name);
    if (length > 0 && target->name[length - 1] == '\n') {
        target->name[length - 1] = '\0';
    }
}

bool remote_process_status(int process, struct remote_process_status *status)
{
    char text[1024];
    if (!remote_process_read_file(process, "stat", text, sizeof text)) {
        return false;
    }
    /* the program's name ends at the last parenthesis, because the name itself may contain parentheses */
    const char *behind = strrchr(text, ')');
    uint64_t user;
    uint64_t system;
    if (behind == NULL || sscanf(behind,
                                 ") %c %d %*s %*s %*s %*s %u %*s %*s %*s %*s %" SCNu64 " %" SCNu64
                                 " %*s %*s %*s %*s %u %*s %" SCNu64 " %*s %" SCNu64,
                                 &status->state, &status->parent, &status->flags, &user, &system, &status->threads,
                                 &status->start, &status->pages) != 8) {
        return false;
    }
    status->ticks = user + system;
    return true;
}

void remote_process_open(struct remote_process *target, int process)
{
    struct remote_process_status status;
    *target = (struct remote_process){.process = process};
    target->start = remote_process_status(process, &status) ? status.start : 0;
    remote_process_read_name(target);
}

bool remote_process_is_same(const struct remote_process *target)
{
    struct remote_process_status status;
    return remote_process_status(target->process, &status) && status.start == target->start;
}

int remote_process_hold(const struct remote_process *target)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, target->process, 0);
#else
    (void)target;
    return -1;
#endif
}

bool remote_process_queue(const struct remote_process *target, int handle, int number, uint64_t value)
{
#ifdef SYS_pidfd_send_signal
    if (handle >= 0) {
        siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};
        info.si_pid = getpid();
        info.si_uid = getuid();
        info.si_value.sival_ptr = (void *)(uintptr_t)value;
        return syscall(SYS_pidfd_send_signal, handle, number, &info, 0) == 0;
    }
#endif
    (void)handle;
    if (!remote_process_is_same(target)) {
        errno = ESRCH;
        return false;
    }
    return sigqueue(target->process, number, (union sigval){.sival_ptr = (void *)(uintptr_t)value}) == 0;
}

/* Returns true if the process is alive. Returns false for a zombie, which still has its process id but no memory. */
static bool remote_process_is_alive(const struct remote_process *target)
{
    struct remote_process_status status;
    return remote_process_status(target->process, &status) && status.start == target->start &&
           strchr("ZXx", status.state) == NULL;
}

/* Returns the state of a process for which a system call failed with the errno `error`. */
static enum remote_process_state remote_process_judge(const struct remote_process *target, int error)
{
    if (!remote_process_is_alive(target)) {
        return REMOTE_GONE;
    }
    return error == EPERM || error == EACCES ? REMOTE_FORBIDDEN : REMOTE_WITHOUT;
}

enum remote_process_state remote_process_copy(const struct remote_process *target, void *to, const void *from,
                                              size_t size)
{
    size_t done = 0;
    while (done < size) {
        struct iovec here = {.iov_base = (char *)to + done, .iov_len = size - done};
        struct iovec there = {.iov_base = (char *)(uintptr_t)from + done, .iov_len = size - done};
        ssize_t part = process_vm_readv(target->process, &here, 1, &there, 1, 0);
        if (part <= 0) {
            return remote_process_judge(target, part < 0 ? errno : EFAULT);
        }
        done += (size_t)part;
    }
    return REMOTE_READ;
}

/*
 * Copies the first `size` bytes of the exported structure. Puts a NUL at the end of the string `library` in the copy,
 * because the process may have overwritten the string's own NUL.
 */
static enum remote_process_state remote_process_copy_view(struct remote_process *target, size_t size)
{
    enum remote_process_state state = remote_process_copy(target, &target->view, target->address, size);
    target->view.library[INSPECT_LIBRARY_SIZE - 1] = '\0';
    return state;
}

enum remote_process_state remote_process_renew(struct remote_process *target)
{
    struct inspect_export *view = &target->view;
    enum remote_process_state state = remote_process_copy_view(target, offsetof(struct inspect_export, born));
    if (state != REMOTE_READ) {
        return state;
    }
    if (memcmp(view->magic, sockmalloc_view.magic, INSPECT_MAGIC_SIZE) != 0) {
        return REMOTE_WITHOUT;
    }
    if (view->version != INSPECT_VERSION) {
        /*
         * a structure with another version number may be shorter and lie at the end of its mapping, so no more than its
         * first fields is copied
         */
        return REMOTE_OTHER;
    }
    state = remote_process_copy_view(target, sizeof *view);
    if (state != REMOTE_READ) {
        return state;
    }
    if (memcmp(&view->layout, &sockmalloc_view.layout, sizeof view->layout) != 0) {
        return REMOTE_OTHER;
    }
    bool born = atomic_load_explicit(&view->born, memory_order_relaxed) != 0;
    return born && view->self == target->address ? REMOTE_READ : REMOTE_UNINITIALISED;
}

/*
 * Copies the exported structure of libsockmalloc-buffers.so, and fills in the fields of target->view that are valid in
 * the state REMOTE_BUFFERS: the version, and the places of the tables that BUFFERS_EXPORT_ROWS lists.
 */
static enum remote_process_state remote_process_read_buffers(struct remote_process *target)
{
    static const uint32_t sizes[BUFFERS_EXPORT_SIZES] = BUFFERS_EXPORT_SIZE_LIST;
    struct buffers_export buffers;
    enum remote_process_state state = remote_process_copy(target, &buffers, target->buffers, sizeof buffers);
    if (state != REMOTE_READ) {
        return state;
    }
    buffers.library[BUFFERS_EXPORT_LIBRARY_SIZE - 1] = '\0';
    memcpy(target->view.library, buffers.library, sizeof target->view.library);
    if (strcmp(buffers.library, PACKAGE_VERSION) != 0 || memcmp(buffers.size, sizes, sizeof sizes) != 0) {
        return REMOTE_OTHER;
    }
    if (atomic_load_explicit(&buffers.self, memory_order_relaxed) != target->buffers) {
        return REMOTE_UNINITIALISED;
    }
#define BUFFERS_OBJECT(name, span) target->view.object[INSPECT_##name] = buffers.object[BUFFERS_EXPORT_##name];
    BUFFERS_EXPORT_ROWS(BUFFERS_OBJECT)
#undef BUFFERS_OBJECT
    return REMOTE_BUFFERS;
}

/*
 * Searches a mapping for the exported structure. Returns its address, or NULL. If the mapping has the exported
 * structure of libsockmalloc-buffers.so, stores the address of that structure in target->buffers. *left is the number
 * of bytes that may still be read in all mappings together.
 */
static const struct inspect_export *remote_process_scan(struct remote_process *target, const struct maps_row *row,
                                                        char *buffer, size_t *left)
{
    size_t whole = row->end - row->start;
    uintptr_t end = row->start + LESSER(whole, REMOTE_SCAN_MAPPING);
    for (uintptr_t at = row->start; at < end; at += SCAN_SIZE) {
        size_t size = LESSER(end - at, SCAN_SIZE);
        if (size > *left) {
            return NULL;
        }
        *left -= size;
        if (remote_process_copy(target, buffer, (const void *)at, size) != REMOTE_READ) {
            return NULL;
        }
        for (size_t within = 0; within + INSPECT_MAGIC_SIZE <= size; within += INSPECT_ALIGNMENT) {
            if (memcmp(buffer + within, sockmalloc_view.magic, INSPECT_MAGIC_SIZE) == 0) {
                return (const struct inspect_export *)(at + within);
            }
            if (memcmp(buffer + within, BUFFERS_EXPORT_MAGIC, BUFFERS_EXPORT_MAGIC_SIZE) == 0) {
                target->buffers = (const struct buffers_export *)(at + within);
            }
        }
    }
    return NULL;
}

/*
 * Searches writable mappings of files for the exported structure. If `named` is true, searches the files with
 * "sockmalloc" in their names, otherwise all other files.
 */
static bool remote_process_search(struct remote_process *target, FILE *maps, bool named)
{
    struct maps_row row;
    size_t left = REMOTE_SCAN_TOTAL;
    char *buffer = malloc(SCAN_SIZE);
    bool found = false;
    while (buffer != NULL && !found && maps_next(maps, &row)) {
        const char *name = strrchr(row.path, '/');
        if (row.is_file && strcmp(row.permissions, "rw-p") == 0 &&
            (name != NULL && strstr(name, "sockmalloc") != NULL) == named) {
            target->address = remote_process_scan(target, &row, buffer, &left);
            found = target->address != NULL;
        }
    }
    if (found) {
        memcpy(target->library, row.path, sizeof target->library);
    }
    free(buffer);
    return found;
}

/*
 * Copies the first byte of the first mapping, to find out if the process may be read. The copy fails with
 * REMOTE_FORBIDDEN if the mappings of the process may be listed but not read, as with Yama's ptrace_scope. If the
 * process has ended and so has no mapping, returns REMOTE_READ, because nothing was forbidden.
 */
static enum remote_process_state remote_process_probe(const struct remote_process *target, FILE *maps)
{
    struct maps_row row;
    char byte;
    rewind(maps);
    return maps_next(maps, &row) ? remote_process_copy(target, &byte, (const void *)row.start, sizeof byte)
                                 : REMOTE_READ;
}

static enum remote_process_state remote_process_find_in(struct remote_process *target, bool everywhere)
{
    target->buffers = NULL;
    FILE *maps = maps_open(target->process);
    if (maps == NULL) {
        return remote_process_judge(target, errno);
    }
    bool found = remote_process_search(target, maps, true);
    if (!found && everywhere) {
        rewind(maps);
        found = remote_process_search(target, maps, false);
    }
    bool has_nothing = !found && target->buffers == NULL;
    enum remote_process_state state = has_nothing ? remote_process_probe(target, maps) : REMOTE_READ;
    fclose(maps);
    if (found) {
        return remote_process_renew(target);
    }
    if (target->buffers != NULL) {
        return remote_process_read_buffers(target);
    }
    return state == REMOTE_READ ? remote_process_judge(target, 0) : state;
}

enum remote_process_state remote_process_find(struct remote_process *target)
{
    return remote_process_find_in(target, true);
}

enum remote_process_state remote_process_find_named(struct remote_process *target)
{
    return remote_process_find_in(target, false);
}

/* Returns the first character of a file, or 0 if the file cannot be read. */
static char remote_process_first(const char *path)
{
    FILE *file = fopen(path, "re");
    int first = file != NULL ? getc(file) : EOF;
    if (file != NULL) {
        fclose(file);
    }
    return first != EOF ? (char)first : '\0';
}

bool remote_process_may_trace(void)
{
    enum { SYS_PTRACE = 19 }; /* the number of the capability (linux/capability.h) */
    char text[4096];
    uint64_t effective = 0;
    const char *line =
        remote_process_read_file((int)getpid(), "status", text, sizeof text) ? strstr(text, "\nCapEff:") : NULL;
    return line != NULL && sscanf(line, "\nCapEff: %" SCNx64, &effective) == 1 && (effective >> SYS_PTRACE & 1) != 0;
}

/*
 * Returns true if the process and this command are in one and the same namespace of the kind `kind`, such as "user", or
 * if their namespaces cannot be read.
 */
static bool remote_process_shares(int process, const char *kind)
{
    char path[48];
    char own[64] = "";
    char other[64] = "";
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    bool known = readlink(path, own, sizeof own - 1) > 0;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", process, kind);
    known = readlink(path, other, sizeof other - 1) > 0 && known;
    return !known || strcmp(own, other) == 0;
}

const char *remote_process_reason(int process)
{
    char scope = remote_process_first("/proc/sys/kernel/yama/ptrace_scope");
    if (scope == '3') {
        return "kernel.yama.ptrace_scope=3 allows that to nobody until the machine is started again";
    }
    if (remote_process_may_trace()) {
        return remote_process_shares(process, "user")
                   ? "a security module of the kernel, such as SELinux or AppArmor, forbids it"
                   : "it lives in another user namespace, in which CAP_SYS_PTRACE is needed";
    }
    if (scope == '2') {
        return "kernel.yama.ptrace_scope=2 allows that only with CAP_SYS_PTRACE";
    }
    return scope == '1' ? "kernel.yama.ptrace_scope=1 allows that only to its parent, or with CAP_SYS_PTRACE"
                        : "it belongs to another user or has changed its user, so that needs CAP_SYS_PTRACE";
}

/*
 * Returns true if this command runs in a container: in another pid namespace than the first one, which the kernel makes
 * when the machine starts.
 */
static bool remote_process_is_contained(void)
{
    static const char first[] = "pid:[4026531836]"; /* PROC_PID_INIT_INO (linux/proc_ns.h) */
    char own[64] = "";
    return readlink("/proc/self/ns/pid", own, sizeof own - 1) > 0 && strcmp(own, first) != 0;
}

/* Returns the exit code with which the command ends if `state` is the result of reading a process. */
static enum command_exit remote_process_code(enum remote_process_state state)
{
    switch (state) {
    case REMOTE_GONE:
        return EXIT_GONE;
    case REMOTE_FORBIDDEN:
    case REMOTE_UNTRIED:
        return EXIT_FORBIDDEN;
    case REMOTE_OTHER:
        return EXIT_OTHER_VERSION;
    case REMOTE_SENSELESS:
    case REMOTE_TOO_LARGE:
    case REMOTE_LATE:
    case REMOTE_BROKEN:
    case REMOTE_IN_THE_WAY:
        return EXIT_DAMAGED;
    default:
        return EXIT_WITHOUT;
    }
}

void remote_process_explain(const struct remote_process *target, enum remote_process_state state, char *text,
                            size_t size)
{
    const char *words = " does not carry the library";
    switch (state) {
    case REMOTE_FORBIDDEN:
        snprintf(text, size, " may not be read: %s", remote_process_reason(target->process));
        return;
    case REMOTE_OTHER:
        snprintf(text, size, " carries sockmalloc %s, which this command of version %s cannot read%s; restart it",
                 target->view.library, PACKAGE_VERSION,
                 strcmp(target->view.library, PACKAGE_VERSION) == 0 ? ", as it is from another build" : "");
        return;
    case REMOTE_UNTRIED:
        snprintf(text, size, ": the child process that reads it could not be started: %s", strerror(errno));
        return;
    case REMOTE_UNINITIALISED:
        words = ": the library has not finished its start-up";
        break;
    case REMOTE_SENSELESS:
        words = ": what was read from its memory makes no sense";
        break;
    case REMOTE_TOO_LARGE:
        words = ": its tables are larger than this command reads";
        break;
    case REMOTE_LATE:
        words = ": reading its memory took too long";
        break;
    case REMOTE_BROKEN:
        words = ": reading its memory crashed the child process that did it";
        break;
    case REMOTE_IN_THE_WAY:
        words = ": its tables have, by chance, the same addresses as memory of this command; run it again";
        break;
    default:
        break;
    }
    snprintf(text, size, "%s", words);
}

enum command_exit remote_process_report(const struct remote_process *target, enum remote_process_state state)
{
    char words[REMOTE_WORDS];
    if (state == REMOTE_GONE) {
        return error_report(EXIT_GONE, "process %d does not exist, or has ended%s", target->process,
                            remote_process_is_contained()
                                ? " (only the processes of this command's own pid namespace can be seen)"
                                : "");
    }
    remote_process_explain(target, state, words, sizeof words);
    return error_report(remote_process_code(state), "process %d (%s)%s", target->process, target->name, words);
}

enum command_exit remote_process_leave_out(const struct remote_process *target, enum remote_process_state state)
{
    char words[REMOTE_WORDS] = " has ended";
    if (state != REMOTE_GONE) {
        remote_process_explain(target, state, words, sizeof words);
    }
    return error_report(remote_process_code(state), "process %d (%s)%s; it is left out", target->process, target->name,
                        words);
}
