/* Writes statistics to a descriptor, to stderr, or to a file that no other user can have put there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attributes.h"
#include "cache/training.h"
#include "config/message.h"
#include "config/option.h"
#include "os/os_file.h"
#include "os/os_process.h"
#include "os/sandbox.h"
#include "pool/in_use.h"
#include "statistics/dump_place.h"
#include "statistics/format.h"
#include "statistics/in_use_report.h"

enum { DUMP_MODE = 0600, DUMP_NAME_SIZE = SETTING_PATH_SIZE + 32 };

/*
 * The variables below are static and do not lie on the stack, because a signal handler may run on a stack of a few
 * pages. Only the thread that has set `busy` may use them.
 */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static LARGE_OBJECT char buffer[FORMAT_SIZE];
static LARGE_OBJECT struct snapshot snapshot;
static const struct bucket_plan *plan;

COLD void dump_open(const struct bucket_plan *bucket_plan)
{
    plan = bucket_plan;
}

/*
 * A function that writes one part of the statistics to a descriptor. Its caller has set `busy`. Returns false if the
 * descriptor has not accepted all of it.
 */
typedef bool dump_part(int descriptor, enum format format);

static enum format dump_format(void)
{
    return (enum format)options.number[OPTION_FORMAT];
}

static bool dump_in_use(int descriptor, enum format format)
{
    /* the format is not needed, because option_read allows the list of blocks in use in the text format only */
    (void)format;
    return in_use_report_write(plan, descriptor);
}

/* Writes a whole report. The list of blocks in use is written from a buffer of its own, so `buffer`, with the text
 * before the list, must be written first. Also writes the profile of SOCKMALLOC_PROFILE, if there is one. */
static bool dump_report(int descriptor, enum format format)
{
    struct text text = text_begin(buffer, sizeof buffer);
    bool whole = true;
    snapshot_take(&snapshot);
    format_print(format, &snapshot, plan, &text);
    if (format == FORMAT_TEXT && in_use_is_kept()) {
        whole = message_write(descriptor, buffer, text.used) && dump_in_use(descriptor, format);
        text = text_begin(buffer, sizeof buffer);
    }
    format_print_end(format, &snapshot, &text);
    whole = whole && message_write(descriptor, buffer, text.used);
    if (sandbox_allows(SANDBOX_COMMON)) {
        training_record();
    }
    return whole;
}

static bool dump_part_to(dump_part *part, int descriptor, enum format format)
{
    if (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {
        return false;
    }
    int kept = errno;
    bool whole = part(descriptor, format);
    atomic_flag_clear_explicit(&busy, memory_order_release);
    errno = kept;
    return whole;
}

bool dump_to(int descriptor)
{
    return dump_part_to(dump_report, descriptor, dump_format());
}

bool dump_as(int descriptor, enum format format)
{
    return dump_part_to(dump_report, descriptor, format);
}

/* Expands the template into `path`: %p becomes the process id. Every other character stands for itself. */
static void dump_expand(const char *template, struct text *path)
{
    for (; *template != '\0'; template ++) {
        if (template[0] == '%' && template[1] == 'p') {
            text_add(path, "%d", (int)os_process());
            template ++;
        } else {
            text_add(path, "%c", *template);
        }
    }
}

/*
 * Expands a template without %p: puts the process id in front of the last dot of the file's name, or at the end of the
 * name if it has no dot. So stats.prom becomes stats.4711.prom.
 */
static void dump_expand_for_process(const char *template, struct text *path)
{
    const char *name = strrchr(template, '/');
    const char *dot = strrchr(name != NULL ? name : template, '.');
    size_t stem = dot != NULL ? (size_t)(dot - template) : strlen(template);
    for (size_t i = 0; i < stem; i++) {
        text_add(path, "%c", template[i]);
    }
    text_add(path, ".%d%s", (int)os_process(), template + stem);
}

/*
 * Returns true if the file is a regular file, belongs to this user, and has a single name (hard link). Every file that
 * the library has made is such a file. In a directory that all users may write to, this refuses another user's file, a
 * second name for a file of this user, a FIFO and a device.
 */
static bool dump_may_append(int file)
{
    struct stat status;
    return os_status(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == os_user() &&
           status.st_nlink == 1;
}

static int dump_open_file(const char *name)
{
    /*
     * With O_NONBLOCK, open does not wait at a FIFO that somebody else has put there, and dump_may_append can refuse
     * the FIFO.
     */
    int file = os_open(name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, DUMP_MODE);
    if (file >= 0 && !dump_may_append(file)) {
        os_close(file);
        return -1;
    }
    return file;
}

/* Returns the template of the path that is tried at this attempt, which counts from 0, or NULL if there is none. */
static const char *dump_template(unsigned attempt)
{
    const char *wanted = option_path(&options, OPTION_STATS);
    if (wanted[0] == '\0') {
        return dump_place_template(attempt);
    }
    return attempt == 0 ? wanted : NULL;
}

/*
 * Opens the first file for statistics that can be opened, and stores its path in `name`. A path that is too long is
 * skipped, because a shortened path would be that of another file. In the format of Prometheus, the path always has the
 * process id, because each report replaces the file there: all processes of a server have the same setting, and would
 * otherwise replace each other's reports. Returns the descriptor, or -1.
 */
static int dump_open_first(char name[DUMP_NAME_SIZE])
{
    int file = -1;
    const char *template;
    for (unsigned attempt = 0; file < 0 && (template = dump_template(attempt)) != NULL; attempt++) {
        struct text path = text_begin(name, DUMP_NAME_SIZE);
        if (dump_format() == FORMAT_PROMETHEUS && strstr(template, "%p") == NULL) {
            dump_expand_for_process(template, &path);
        } else {
            dump_expand(template, &path);
        }
        file = path.cut ? -1 : dump_open_file(name);
    }
    return file;
}

static bool dump_append(dump_part *part)
{
    char name[DUMP_NAME_SIZE];
    int file = dump_open_first(name);
    bool whole = file >= 0 && dump_part_to(part, file, dump_format());
    if (file >= 0) {
        os_close(file);
    }
    return whole;
}

static bool dump_replace(const char *name, const char *beside, enum format format)
{
    int file = dump_open_file(beside);
    if (file < 0) {
        return false;
    }
    bool whole = os_truncate(file) && dump_report(file, format);
    os_close(file);
    if (!whole || !os_rename(beside, name)) {
        os_unlink(beside);
        return false;
    }
    return true;
}

/*
 * Writes a report in the format of Prometheus to a new file, which then replaces the old one by rename, so that a
 * reader sees either the old or the new file whole. A file that dump_may_append refuses is not replaced.
 */
static bool dump_replacement(int no_descriptor, enum format format)
{
    (void)no_descriptor; /* the descriptor is not needed, because dump_replace opens a file of its own */
    char names[2][DUMP_NAME_SIZE];
    struct text beside = text_begin(names[1], sizeof names[1]);
    int present = dump_open_first(names[0]);
    if (present < 0) {
        return false;
    }
    os_close(present);
    text_add(&beside, "%s.%d", names[0], (int)os_process());
    return !beside.cut && dump_replace(names[0], names[1], format);
}

static bool dump_part_to_file(dump_part *part)
{
    if (dump_format() == FORMAT_PROMETHEUS) {
        return dump_part_to(dump_replacement, -1, FORMAT_PROMETHEUS);
    }
    return dump_append(part);
}

static bool dump_part_somewhere(dump_part *part)
{
    int kept = errno;
    bool to_stderr = option_path(&options, OPTION_STATS)[0] == '\0' && dump_place_prefers_stderr();
    bool whole = to_stderr && message_stderr_is_ours() ? dump_part_to(part, STDERR_FILENO, dump_format())
                                                       : dump_part_to_file(part);
    errno = kept;
    return whole;
}

bool dump_somewhere(void)
{
    return dump_part_somewhere(dump_report);
}

COLD bool dump_in_use_somewhere(void)
{
    return !in_use_is_kept() || dump_part_somewhere(dump_in_use);
}

void dump_after_fork(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}
