/*
 * Turns on the sampling of small requests in running processes for a while, to learn which share of all requests the
 * pools serve.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/sampling.h"

#include <stdlib.h>

#include "command/command.h"
#include "command/compare_wait.h"
#include "command/error.h"
#include "command/remote_signal.h"

/* If this command cannot turn sampling off, a process ends its sampling by itself this many milliseconds after the
 * intended end. */
enum { SAMPLING_GRACE = 5000 };

/* Data about one member of a group of processes. In an array of these structures, element N belongs to member N of the
 * group. */
struct sampled {
    bool is_on;               /* true if this command has sent the signal that turns sampling on */
    struct snapshot snapshot; /* snapshot of the process, taken at the beginning, when all processes were sampling */
};

const char *sampling_read(const char *argument, double *seconds)
{
    *seconds = SAMPLING_SECONDS;
    const char *fault = argument != NULL ? command_read_interval(argument, seconds) : NULL;
    return fault == NULL && *seconds > SAMPLING_MOST ? "requests are sampled for 300 seconds at most" : fault;
}

static enum command_exit sampling_switch(struct remote_process *target, uint64_t milliseconds)
{
    static struct option_set before;
    const struct live_request request = {OPTION_SAMPLE_SMALL, milliseconds};
    enum command_exit code = remote_signal_send(target, live_request_encode(&request), &before);
    return code == EXIT_DONE && milliseconds != 0 ? remote_signal_await_sampling(target) : code;
}

/* Turns sampling off in all processes in which this command has turned it on. */
static void sampling_end(struct process_group *group, const struct sampled *sampled)
{
    for (unsigned i = 0; i < group->count; i++) {
        if (sampled[i].is_on && remote_process_is_same(&group->member[i]->target)) {
            sampling_switch(&group->member[i]->target, 0);
        }
    }
}

/* Turns sampling on in all processes, except for those that sample small requests from their start on. */
static enum command_exit sampling_begin(struct process_group *group, struct sampled *sampled, double seconds)
{
    enum command_exit code = EXIT_DONE;
    for (unsigned i = 0; i < group->count && code == EXIT_DONE; i++) {
        struct group_member *member = group->member[i];
        if (member->state == REMOTE_READ && member->is_read && member->options->number[OPTION_SAMPLE_SMALL] == 0) {
            code = sampling_switch(&member->target, (uint64_t)(seconds * 1000) + SAMPLING_GRACE);
            sampled[i].is_on = code == EXIT_DONE || code == EXIT_UNANSWERED;
        }
    }
    return code;
}

static void sampling_note(const struct process_group *group, struct sampled *sampled)
{
    for (unsigned i = 0; i < group->count; i++) {
        sampled[i].snapshot = *group->member[i]->snapshot;
    }
}

/*
 * Adds to *traffic the requests between the beginning and the end, for each process of which a snapshot was taken at
 * both times. `sampled` and the group have the same order, because process_group_find was not called in between.
 */
static void sampling_add(const struct process_group *group, const struct sampled *sampled, struct traffic *traffic)
{
    for (unsigned i = 0; i < group->count; i++) {
        const struct group_member *member = group->member[i];
        if (member->is_read && member->has_former) {
            traffic_add(traffic, member->snapshot, &sampled[i].snapshot, &member->plan);
        }
    }
}

/*
 * Returns EXIT_DONE if each process is still sampling. Otherwise prints an error, because another command has turned
 * the sampling off.
 */
static enum command_exit sampling_judge(const struct process_group *group, const struct sampled *sampled)
{
    for (unsigned i = 0; i < group->count; i++) {
        const struct group_member *member = group->member[i];
        if (sampled[i].is_on && member->is_read && member->options->sampled_until == 0) {
            return error_report(EXIT_UNANSWERED, "process %d (%s): another command has ended the sampling",
                                member->target.process, member->target.name);
        }
    }
    return EXIT_DONE;
}

static enum command_exit sampling_watch(struct process_group *group, struct sampled *sampled, double seconds)
{
    enum command_exit code = sampling_begin(group, sampled, seconds);
    code = code == EXIT_DONE ? process_group_take(group) : code;
    if (code == EXIT_DONE) {
        sampling_note(group, sampled);
        compare_wait(seconds);
        code = process_group_take(group);
        code = code == EXIT_DONE ? sampling_judge(group, sampled) : code;
    }
    sampling_end(group, sampled);
    return code;
}

enum command_exit sampling_run(struct process_group *group, double seconds, struct traffic *traffic)
{
    *traffic = (struct traffic){.seconds = seconds};
    enum command_exit code = process_group_take(group);
    if (code != EXIT_DONE) {
        return code;
    }
    struct sampled *sampled = calloc(group->count, sizeof *sampled);
    if (sampled == NULL) {
        return error_report(EXIT_DAMAGED, "there is no memory for %u processes", group->count);
    }
    compare_wait_open();
    code = sampling_watch(group, sampled, seconds);
    if (compare_is_stopped()) {
        compare_end_by_signal();
    }
    if (code == EXIT_DONE) {
        sampling_add(group, sampled, traffic);
    }
    free(sampled);
    return code;
}
