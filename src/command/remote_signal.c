/* Sends another process the statistics signal (SOCKMALLOC_SIGNAL), with a value that tells the library in that process
 * what to do. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_signal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "command/error.h"
#include "command/look.h"
#include "config/choices.h"

/*
 * Sends the statistics signal with `value` to a process. `handle` is from remote_process_hold. `settings` are the
 * settings of the process, which contain the number of the signal.
 */
static enum command_exit remote_signal_queue(const struct remote_process *target, int handle, uint64_t value,
                                             const struct option_set *settings)
{
    int number = (int)settings->number[OPTION_SIGNAL];
    if (number == 0) {
        return error_report(EXIT_FORBIDDEN, "process %d (%s) has no signal for statistics: SOCKMALLOC_SIGNAL=off",
                            target->process, target->name);
    }
    if (!remote_process_queue(target, handle, number, value)) {
        return errno == ESRCH ? remote_process_report(target, REMOTE_GONE)
                              : error_report(EXIT_FORBIDDEN, "the signal could not be sent to process %d (%s): %s",
                                             target->process, target->name, strerror(errno));
    }
    return EXIT_DONE;
}

/*
 * This function gets a handle (a pidfd) of the process first, and then reads the process's memory. So the signal goes
 * to the process that was read, even if that process ends and another process gets its id.
 */
enum command_exit remote_signal_send(struct remote_process *target, uint64_t value, struct option_set *before)
{
    int handle = remote_process_hold(target);
    enum remote_process_state state = look_at_settings(target, before);
    enum command_exit code = state == REMOTE_READ ? remote_signal_queue(target, handle, value, before)
                                                  : remote_process_report(target, state);
    if (handle >= 0) {
        close(handle);
    }
    return code;
}

/*
 * Waits until the process has changed a setting since `before` was read. If `before` is NULL, waits until the process
 * has switched on the sampling of small requests.
 */
static enum command_exit remote_signal_await(struct remote_process *target, const struct option_set *before,
                                             struct option_set *after)
{
    enum { LOOKS = 500, PAUSE = REMOTE_SIGNAL_SECONDS * 1000000 / LOOKS };
    for (int looks = 0; looks < LOOKS; looks++) {
        enum remote_process_state state = look_at_settings(target, after);
        if (state != REMOTE_READ) {
            return remote_process_report(target, state);
        }
        if (before != NULL ? after->changes != before->changes : after->sampled_until != 0) {
            return EXIT_DONE;
        }
        usleep(PAUSE);
    }
    return error_report(EXIT_UNANSWERED,
                        "process %d (%s) has not carried that out in %d seconds: it is stopped, blocks the signal, or "
                        "runs behind a filter of system calls",
                        target->process, target->name, (int)REMOTE_SIGNAL_SECONDS);
}

enum command_exit remote_signal_judge(struct remote_process *target, enum option option, struct option_set *settings)
{
    enum remote_process_state state = look_at_settings(target, settings);
    if (state != REMOTE_READ) {
        return remote_process_report(target, state);
    }
    if (settings->number[OPTION_CONTROL] == 0) {
        return error_report(EXIT_FORBIDDEN,
                            "process %d (%s) was started without SOCKMALLOC_CONTROL=1, so its settings cannot change",
                            target->process, target->name);
    }
    if (settings->number[OPTION_DISABLE] != 0) {
        return error_report(EXIT_FORBIDDEN, "process %d (%s) has no pools: SOCKMALLOC_DISABLE=1", target->process,
                            target->name);
    }
    if (option == OPTION_CACHE && settings->number[OPTION_POOL] == KIND_CPU) {
        return error_report(EXIT_FORBIDDEN, "process %d (%s): SOCKMALLOC_CACHE cannot change with SOCKMALLOC_POOL=cpu",
                            target->process, target->name);
    }
    return EXIT_DONE;
}

enum command_exit remote_signal_change(struct remote_process *target, const struct live_request *request,
                                       struct option_set *before, struct option_set *after)
{
    enum command_exit code = remote_signal_judge(target, request->option, before);
    code = code == EXIT_DONE ? remote_signal_send(target, live_request_encode(request), before) : code;
    return code == EXIT_DONE ? remote_signal_await(target, before, after) : code;
}

enum command_exit remote_signal_await_sampling(struct remote_process *target)
{
    static struct option_set settings;
    return remote_signal_await(target, NULL, &settings);
}
