/* Finds out whether a signal came from a process of the same program. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "preload/signal_origin.h"

#include <sys/stat.h>

#include "base/text.h"
#include "os/os_file.h"
#include "os/os_process.h"

/* long enough for "/proc/", a process id and "/exe" */
enum { NAME_SIZE = 32 };

static bool signal_origin_runs_the_same(pid_t sender)
{
    struct stat theirs;
    struct stat ours;
    char buffer[NAME_SIZE];
    struct text name = text_begin(buffer, sizeof buffer);
    text_add(&name, "/proc/%d/exe", (int)sender);
    return os_status_at(buffer, &theirs, true) == 0 && os_status_at("/proc/self/exe", &ours, true) == 0 &&
           theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

/*
 * A signal that no process has sent comes from something that this process has set up, such as a timer or a message
 * queue, so it counts as sent by this process.
 */
bool signal_origin_is_self(const siginfo_t *info)
{
    bool sent = info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL;
    return !sent || info->si_pid == os_process();
}

bool signal_origin_is_kin(const siginfo_t *info)
{
    return signal_origin_is_self(info) || signal_origin_runs_the_same(info->si_pid);
}
