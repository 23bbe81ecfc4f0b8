/*
 * Reads the statistics of a whole server: of all processes that are named by the words of a command line and have
 * loaded the library. Each process is read by itself, and the figures can be added up.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/process_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"
#include "command/error.h"
#include "command/look.h"
#include "command/now.h"

const char *process_group_add_word(struct process_group *group, const char *text)
{
    if (group->words == GROUP_WORDS) {
        return "too many processes are given";
    }
    return process_word_read(&group->word[group->words++], text);
}

static void group_free(struct group_member *member)
{
    free(member->options);
    free(member->snapshot);
    free(member);
}

/*
 * Returns a new member of the group for the process with this id. The member has memory for the figures that will be
 * read from the process. Returns NULL if there is no memory.
 */
static struct group_member *group_make(int process)
{
    struct group_member *member = calloc(1, sizeof *member);
    if (member == NULL) {
        return NULL;
    }
    remote_process_open(&member->target, process);
    member->snapshot = malloc(sizeof *member->snapshot);
    member->options = aligned_alloc(_Alignof(struct option_set), sizeof *member->options);
    if (member->snapshot == NULL || member->options == NULL) {
        group_free(member);
        return NULL;
    }
    return member;
}

static struct group_member *group_find_member(const struct process_group *group, const struct process_row *row)
{
    for (unsigned i = 0; i < group->count; i++) {
        if (group->member[i]->target.process == row->process && group->member[i]->target.start == row->start) {
            return group->member[i];
        }
    }
    return NULL;
}

static bool group_keep(struct process_group *group, struct group_member *member)
{
    if (group->count == group->room) {
        unsigned room = group->room > 0 ? 2 * group->room : 64;
        struct group_member **more = realloc(group->member, room * sizeof(void *));
        if (more == NULL) {
            return false;
        }
        group->member = more;
        group->room = room;
    }
    group->member[group->count++] = member;
    if (group->words > 0 && group->word[0].process == member->target.process) {
        /* the process whose id the user gave becomes the first member, because the sum shows the first member's program
         * name and process id */
        group->member[group->count - 1] = group->member[0];
        group->member[0] = member;
    }
    return true;
}

/*
 * Looks for the library in the process of a member. In a scan over all processes, searches only mappings of files with
 * the library's name, because that is cheaper.
 */
static enum remote_process_state group_look(const struct process_group *group, struct group_member *member)
{
    enum remote_process_state state = group->words > 0 ? look_find(&member->target) : look_find_named(&member->target);
    return state == REMOTE_BUFFERS && !group->has_buffers ? REMOTE_WITHOUT : state;
}

/* Returns false for a state which says that the process has not loaded the library, or has ended, or that the library
 * has not finished its start-up. */
static bool group_may_have_library(enum remote_process_state state)
{
    return state != REMOTE_WITHOUT && state != REMOTE_GONE && state != REMOTE_UNINITIALISED;
}

/*
 * Looks for the library in a process that is not yet a member, and makes the process a member if it has the library.
 * Stores what was found about the process in *target.
 */
static enum remote_process_state group_try(struct process_group *group, const struct process_row *row,
                                           struct remote_process *target)
{
    struct group_member *member = group_make(row->process);
    if (member == NULL) {
        return REMOTE_UNTRIED;
    }
    member->state = group_look(group, member);
    member->is_seen = true;
    group->late += member->state == REMOTE_LATE ? 1 : 0;
    *target = member->target;
    enum remote_process_state state = member->state;
    bool is_known = state != REMOTE_FORBIDDEN && state != REMOTE_UNTRIED && group_may_have_library(state);
    if (!is_known || !group_keep(group, member)) {
        group_free(member);
    }
    return state;
}

/* Returns true if the statistics of the process's malloc can be read, or at least the figures of its objects of
 * libsockmalloc-buffers.so: fixed-size pools, message pages and rings. */
static bool group_is_readable(const struct group_member *member)
{
    return member->state == REMOTE_READ || member->state == REMOTE_BUFFERS;
}

static unsigned group_readable(const struct process_group *group)
{
    unsigned readable = 0;
    for (unsigned i = 0; i < group->count; i++) {
        readable += group->member[i]->is_seen && group_is_readable(group->member[i]) ? 1 : 0;
    }
    return readable;
}

static void group_leave_out(struct group_member *member)
{
    if (!group_is_readable(member) && !member->is_told) {
        remote_process_leave_out(&member->target, member->state);
        member->is_told = true;
    }
}

/*
 * Removes each member whose process the present process_group_find has not found again. If other members can be read,
 * prints a line for each removed member that could be read before.
 */
static void group_forget(struct process_group *group)
{
    /* nothing is printed in a scan over all processes of the machine, where processes end all the time */
    bool tells = group_readable(group) > 0 && group->words > 0 && !group->is_silent;
    unsigned kept = 0;
    for (unsigned i = 0; i < group->count; i++) {
        struct group_member *member = group->member[i];
        if (member->is_seen) {
            group->member[kept++] = member;
            continue;
        }
        if (tells && group_is_readable(member)) {
            remote_process_leave_out(&member->target, REMOTE_GONE);
        }
        group_free(member);
    }
    group->count = kept;
}

/* Results of one call of process_group_find. */
struct group_search {
    unsigned named;                  /* the number of processes that are named by the words of the command line */
    struct remote_process target;    /* a process that cannot be read, preferably the one whose id the user gave */
    enum remote_process_state state; /* the state of `target` */
    bool is_own;                     /* true if `target` is the process whose id the user gave */
    int forbidden;                   /* the id of a process that may not be read */
};

static bool group_is_one_id(const struct process_group *group)
{
    return group->words == 1 && group->word[0].kind == PROCESS_WORD_ID;
}

/* Prints why no process can be read, and returns the exit code. */
static enum command_exit group_report_none(const struct process_group *group, const struct group_search *search)
{
    const struct process_word *word = &group->word[0];
    if (group_is_one_id(group)) {
        struct remote_process target;
        remote_process_open(&target, word->process);
        return search->named == 0 ? remote_process_report(&target, REMOTE_GONE)
                                  : remote_process_report(search->is_own ? &search->target : &target, search->state);
    }
    if (search->named > 0 && (group->count > 0 || group->forbidden == search->named)) {
        return remote_process_report(&search->target, search->state);
    }
    if (group->words == 0 && group->forbidden > 0) {
        return error_report(EXIT_FORBIDDEN,
                            "no process that may be read carries the library; %u may not be read, such as %d: %s",
                            group->forbidden, search->forbidden, remote_process_reason(search->forbidden));
    }
    if (group->words == 0) {
        return error_report(EXIT_WITHOUT, "no process carries the library");
    }
    if (group->words > 1) {
        return error_report(search->named == 0 ? EXIT_GONE : EXIT_WITHOUT, "none of these processes %s",
                            search->named == 0 ? "exists" : "carries the library");
    }
    const char *kind = word->kind == PROCESS_WORD_UNIT ? "of the unit" : "of the name";
    return search->named == 0 ? error_report(EXIT_GONE, "there is no process %s %s", kind, word->text)
                              : error_report(EXIT_WITHOUT, "no process %s %s carries the library", kind, word->text);
}

/*
 * Handles one process that is named by the words of the command line: marks its member as seen, or looks for the
 * library in the process and makes it a member.
 */
static void group_meet(struct process_group *group, const struct process_row *row, struct group_search *search)
{
    struct remote_process target = {.process = row->process};
    struct group_member *member = group_find_member(group, row);
    search->named++;
    group->first = group->first != 0 ? group->first : row->process;
    if (member != NULL) {
        member->is_seen = true;
        target = member->target;
    }
    if (member == NULL && group->late >= GROUP_LATE) {
        group->untried++;
        return;
    }
    enum remote_process_state state = member != NULL ? member->state : group_try(group, row, &target);
    if (state == REMOTE_FORBIDDEN) {
        group->forbidden += member == NULL ? 1 : 0;
        search->forbidden = row->process;
    }
    if (state != REMOTE_READ && state != REMOTE_BUFFERS && !search->is_own) {
        search->target = target;
        search->state = state;
        search->is_own = group_is_one_id(group) && group->word[0].process == row->process;
    }
}

/*
 * Prints, at most once for a group, that some processes may not be read. In a scan over all processes, prints nothing
 * if this command has CAP_SYS_PTRACE, because with this capability the user cannot get any further right to read
 * processes.
 */
static void group_tell_rights(struct process_group *group, const struct group_search *search)
{
    bool useful = group->words > 0 || !remote_process_may_trace();
    if (useful && !group->rights_told && group->forbidden > 0) {
        group->rights_told = true;
        error_report(EXIT_FORBIDDEN, "%u process%s may not be read, such as %d: %s", group->forbidden,
                     group->forbidden == 1 ? "" : "es", search->forbidden, remote_process_reason(search->forbidden));
    }
}

/* Prints, at most once for a group, that some processes were not tried because others took too long. */
static void group_tell_late(struct process_group *group)
{
    if (!group->late_told && group->untried > 0) {
        group->late_told = true;
        error_report(EXIT_DAMAGED, "%u processes took too long to read; %u others were not tried", group->late,
                     group->untried);
    }
}

enum command_exit process_group_find(struct process_group *group)
{
    struct process_list list;
    struct group_search search = {.state = REMOTE_WITHOUT};
    group->forbidden = 0;
    group->untried = 0;
    group->first = 0;
    if (!process_list_read(&list)) {
        process_list_free(&list);
        return error_report(EXIT_FORBIDDEN, "the processes cannot be listed: %s", strerror(errno));
    }
    for (unsigned i = 0; i < group->count; i++) {
        group->member[i]->is_seen = false;
    }
    for (unsigned i = 0; i < list.count; i++) {
        if (process_list_names(&list, &list.row[i], group->word, group->words)) {
            group_meet(group, &list.row[i], &search);
        }
    }
    process_list_free(&list);
    group_forget(group);
    if (group->is_silent) {
        return group_readable(group) > 0 ? EXIT_DONE : EXIT_WITHOUT;
    }
    if (group_readable(group) == 0 && (group->count == 0 || !group->shows_all)) {
        return group_report_none(group, &search);
    }
    for (unsigned i = 0; i < group->count && !group->shows_all; i++) {
        group_leave_out(group->member[i]);
    }
    group_tell_rights(group, &search);
    group_tell_late(group);
    return EXIT_DONE;
}

/*
 * Takes a snapshot of a member. Copies the settings, the buckets and the program's name to the member, because the next
 * snapshot overwrites the global variables that hold them.
 */
static void group_take(struct process_group *group, struct group_member *member)
{
    member->has_former = member->is_read;
    member->former_time = member->time;
    if (member->is_read) {
        member->former = member->snapshot->total;
    }
    member->is_read = false;
    if (member->state == REMOTE_BUFFERS) {
        /* looks for the library again, because the process may have executed another program since the last look */
        member->state = group_look(group, member);
        return;
    }
    if (member->state != REMOTE_READ || group->late >= GROUP_LATE) {
        return;
    }
    member->state = look_take(&member->target, member->snapshot);
    group->late += member->state == REMOTE_LATE ? 1 : 0;
    if (member->state != REMOTE_READ) {
        return;
    }
    member->is_read = true;
    member->time = now_nanoseconds();
    member->plan = remote_snapshot_plan;
    *member->options = options;
    strncpy(member->program, member->snapshot->program, sizeof member->program - 1);
    member->snapshot->program = member->program;
}

enum command_exit process_group_take(struct process_group *group)
{
    const struct group_member *last = NULL;
    for (unsigned i = 0; i < group->count; i++) {
        bool was_readable = group->member[i]->state == REMOTE_READ;
        group_take(group, group->member[i]);
        last = was_readable && group->member[i]->state != REMOTE_READ ? group->member[i] : last;
    }
    if (group->shows_all) {
        return EXIT_DONE;
    }
    if (process_group_read_count(group) == 0 && group_readable(group) == 0) {
        return last != NULL ? remote_process_report(&last->target, last->state) : EXIT_GONE;
    }
    for (unsigned i = 0; i < group->count; i++) {
        group_leave_out(group->member[i]);
    }
    return EXIT_DONE;
}

/*
 * Looks again for the library in the process of a member that could not be read. Returns false if the process no longer
 * has the library. A process that may not be read, or was not tried, stays a member, because it had the library before.
 */
static bool group_retry(struct process_group *group, struct group_member *member, bool late)
{
    bool was_late = member->state == REMOTE_LATE || member->state == REMOTE_BROKEN;
    if (group_is_readable(member) || (was_late && !late) || group->late >= GROUP_LATE) {
        return true;
    }
    member->state = group_look(group, member);
    group->late += member->state == REMOTE_LATE ? 1 : 0;
    return group_may_have_library(member->state);
}

void process_group_retry(struct process_group *group, bool late)
{
    unsigned kept = 0;
    group->late = late ? 0 : group->late;
    for (unsigned i = 0; i < group->count; i++) {
        if (group_retry(group, group->member[i], late)) {
            group->member[kept++] = group->member[i];
        } else {
            group_free(group->member[i]);
        }
    }
    group->count = kept;
}

unsigned process_group_read_count(const struct process_group *group)
{
    unsigned count = 0;
    for (unsigned i = 0; i < group->count; i++) {
        count += group->member[i]->is_read ? 1 : 0;
    }
    return count;
}

bool process_group_add_memory(const struct process_group *group, struct remote_memory *sum)
{
    bool is_known = true;
    for (unsigned i = 0; i < group->count; i++) {
        struct remote_memory memory;
        if (group->member[i]->is_read && look_at_memory(&group->member[i]->target, &memory) == REMOTE_READ) {
            sum->resident += memory.resident;
            sum->small += memory.small;
        } else {
            is_known = is_known && !group->member[i]->is_read;
        }
    }
    return is_known;
}

void process_group_sum(struct process_group *group, struct process_sum *sum)
{
    bool begun = false;
    for (unsigned i = 0; i < group->count; i++) {
        struct group_member *member = group->member[i];
        if (!member->is_read) {
            continue;
        }
        if (!begun) {
            process_sum_begin(sum, member->snapshot, &member->plan, member->options);
            begun = true;
        } else if (!process_sum_add(sum, member->snapshot, &member->plan, member->options)) {
            error_report(EXIT_DONE,
                         "process %d (%s) has buckets of other sizes than the processes before it; it is left out",
                         member->target.process, member->target.name);
            member->is_read = false;
        }
    }
    options = sum->options;
}

void process_group_add_rates(const struct group_member *member, struct group_rates *rates)
{
    double seconds = (double)(member->time - member->former_time) / 1e9;
    if (!member->is_read || !member->has_former || seconds <= 0) {
        return;
    }
    const struct snapshot_figures *now = &member->snapshot->total;
    rates->known = true;
    rates->requests += (double)EXCESS(now->requests, member->former.requests) / seconds;
    rates->fell_through += (double)EXCESS(now->fell_through, member->former.fell_through) / seconds;
}
