/* Writes the report to where it belongs: a descriptor, stderr, or a file that nobody planted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"
#include "option.h"
#include "report.h"
#include "training.h"

#define DUMP_DEFAULT_PATH "/tmp/sockmalloc.%p"

enum { DUMP_MODE = 0600 };

/* Static, since a signal may come on a stack of a few pages. Whoever sets `busy` owns them. */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static char buffer[REPORT_SIZE];
static struct snapshot snapshot;
static const struct bucket_plan *plan;

void dump_open(const struct bucket_plan *bucket_plan)
{
    plan = bucket_plan;
}

bool dump_to(int descriptor)
{
    if (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {
        return false;
    }
    int kept = errno;
    struct text text = text_begin(buffer, sizeof buffer);
    snapshot_take(&snapshot);
    report_print(&snapshot, plan, &text);
    bool whole = message_write(descriptor, buffer, text.used);
    training_record();
    atomic_flag_clear_explicit(&busy, memory_order_release);
    errno = kept;
    return whole;
}

/* The template with %p replaced by the process id; every other character stands for itself. */
static void dump_expand(const char *template, struct text *path)
{
    for (; *template != '\0'; template ++) {
        if (template[0] == '%' && template[1] == 'p') {
            text_add(path, "%d", (int)getpid());
            template ++;
        } else {
            text_add(path, "%c", *template);
        }
    }
}

/*
 * A regular file of ours with one name: what we made, or could have made. In a directory that all
 * may write to, nothing else can pass: another's file, a second name for a file of ours, a FIFO, a
 * device.
 */
static bool dump_may_append(int file)
{
    struct stat status;
    return fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
           status.st_nlink == 1;
}

static int dump_open_file(void)
{
    char name[SETTING_PATH_SIZE + 16];
    struct text path = text_begin(name, sizeof name);
    const char *wanted = option_path(&options, OPTION_STATS);
    dump_expand(wanted[0] != '\0' ? wanted : DUMP_DEFAULT_PATH, &path);
    if (path.cut) {
        return -1; /* never a file of another name than was asked for */
    }
    /* O_NONBLOCK: a planted FIFO must not hold us up before it is seen for what it is. */
    int file =
        open(name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
             DUMP_MODE);
    if (file >= 0 && !dump_may_append(file)) {
        close(file);
        return -1;
    }
    return file;
}

bool dump_somewhere(void)
{
    if (option_path(&options, OPTION_STATS)[0] == '\0' && message_stderr_is_ours()) {
        return dump_to(STDERR_FILENO);
    }
    int kept = errno;
    int file = dump_open_file();
    bool whole = file >= 0 && dump_to(file);
    if (file >= 0) {
        close(file);
    }
    errno = kept;
    return whole;
}

void dump_after_fork(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}
