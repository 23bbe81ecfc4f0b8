/* Writes the report to where it belongs: a descriptor, stderr, or a file that nobody planted. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format.h"
#include "in_use.h"
#include "in_use_report.h"
#include "message.h"
#include "option.h"
#include "training.h"

#define DUMP_DEFAULT_PATH "/tmp/sockmalloc.%p"

enum { DUMP_MODE = 0600 };

/* Static, since a signal may come on a stack of a few pages. Whoever sets `busy` owns them. */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static char buffer[FORMAT_SIZE];
static struct snapshot snapshot;
static const struct bucket_plan *plan;

void dump_open(const struct bucket_plan *bucket_plan)
{
    plan = bucket_plan;
}

/* What is written to a descriptor by whoever set `busy`. False if that took less than all. */
typedef bool dump_part(int descriptor);

static bool dump_in_use(int descriptor)
{
    return in_use_report_write(plan, descriptor);
}

/* What has been printed goes first where a list, which has a buffer of its own, comes between. */
static bool dump_report(int descriptor)
{
    struct text text = text_begin(buffer, sizeof buffer);
    bool whole = true;
    snapshot_take(&snapshot);
    format_print(FORMAT_TEXT, &snapshot, plan, &text);
    if (in_use_is_kept()) {
        whole = message_write(descriptor, buffer, text.used) && dump_in_use(descriptor);
        text = text_begin(buffer, sizeof buffer);
    }
    format_print_end(FORMAT_TEXT, &snapshot, &text);
    whole = whole && message_write(descriptor, buffer, text.used);
    training_record();
    return whole;
}

static bool dump_part_to(dump_part *part, int descriptor)
{
    if (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {
        return false;
    }
    int kept = errno;
    bool whole = part(descriptor);
    atomic_flag_clear_explicit(&busy, memory_order_release);
    errno = kept;
    return whole;
}

bool dump_to(int descriptor)
{
    return dump_part_to(dump_report, descriptor);
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

static bool dump_part_somewhere(dump_part *part)
{
    if (option_path(&options, OPTION_STATS)[0] == '\0' && message_stderr_is_ours()) {
        return dump_part_to(part, STDERR_FILENO);
    }
    int kept = errno;
    int file = dump_open_file();
    bool whole = file >= 0 && dump_part_to(part, file);
    if (file >= 0) {
        close(file);
    }
    errno = kept;
    return whole;
}

bool dump_somewhere(void)
{
    return dump_part_somewhere(dump_report);
}

bool dump_in_use_somewhere(void)
{
    return !in_use_is_kept() || dump_part_somewhere(dump_in_use);
}

void dump_after_fork(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}
