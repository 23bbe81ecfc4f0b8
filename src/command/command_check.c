/* sockmalloc check: says if the library is in effect in the processes of a server, and how much it serves. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "command/apparmor.h"
#include "command/command.h"
#include "command/error.h"
#include "command/launch.h"
#include "command/look.h"
#include "command/process_group.h"
#include "command/sampling.h"
#include "command/summary.h"
#include "command/traced_run.h"
#include "statistics/format.h"

enum { VERDICT_SIZE = 16 << 10 };

/* Prints the path of the program or of a loaded library, as the process sees the path. For the program itself `path` is
 * "". */
static void check_print_object(const char *path, struct text *text)
{
    text_add_shown(text, path[0] == '\0' ? "the program itself" : path);
}

static void check_print_malloc(const struct remote_linkmap *loaded, struct text *text)
{
    text_add(text, "  malloc   is served by ");
    check_print_object(loaded->known ? loaded->path : "the program itself: it is static", text);
    text_add(text, "\n");
}

/*
 * Prints which object (the program or a library) serves a function of another allocator, such as jemalloc's mallocx. A
 * call of such a function does not reach malloc.
 */
static void check_print_foreign(const struct remote_linkmap *loaded, struct text *text)
{
    if (loaded->function[0] == '\0') {
        return;
    }
    text_add(text, "  %-8s is served by ", loaded->function);
    check_print_object(loaded->server, text);
    text_add(text, ": memory that ");
    check_print_object(loaded->caller, text);
    text_add(text, " allocates by that name is not in the pools\n");
}

/* Prints how the process ended. `status` is what waitpid has stored, or -1 if the process has not ended. */
static void check_print_end(int status, struct text *text)
{
    if (status == -1) {
        return;
    }
    if (WIFSIGNALED(status)) {
        text_add(text, "  program  was ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) != 0) {
        text_add(text, "  program  ended with exit status %d\n", WEXITSTATUS(status));
    }
}

/* Prints the beginning of the verdict: "process 12 (name): sockmalloc ". */
static void check_print_process(const struct remote_process *target, struct text *text)
{
    text_add(text, "process %d (", target->process);
    text_add_shown(text, target->name);
    text_add(text, "): sockmalloc ");
}

/* Prints a line if a profile of AppArmor may have kept the library out of the process. */
static void check_print_confinement(const struct remote_process *target, struct text *text)
{
    char path[48];
    char profile[APPARMOR_NAME_SIZE];
    snprintf(path, sizeof path, "/proc/%d/attr/current", target->process);
    if (apparmor_read(path, profile)) {
        text_add(text, "  AppArmor confines it by the profile ");
        text_add_shown(text, profile);
        text_add(text, ", which may forbid the library or remove LD_PRELOAD\n");
    }
}

/* Prints that sockmalloc is not loaded, which object (the program or a library) serves malloc, and which value
 * LD_PRELOAD had when the program started. Also prints the profile of AppArmor, if one confines the process. */
static enum command_exit check_print_absence(const struct remote_process *target, const struct remote_linkmap *loaded,
                                             struct text *text)
{
    check_print_process(target, text);
    text_add(text, "is not in effect\n");
    check_print_malloc(loaded, text);
    if (loaded->preload[0] == '\0') {
        text_add(text, "  library  not loaded: LD_PRELOAD was not set when the program started\n");
    } else {
        text_add(text, "  library  not loaded: LD_PRELOAD was ");
        text_add_shown(text, loaded->preload);
        text_add(text, ", but that file does not exist, or the program has privileges\n");
    }
    check_print_confinement(target, text);
    return EXIT_NO;
}

/* Prints the share of requested bytes that the pools served. If no request had a size that the pools serve, prints a
 * line that says so. */
static void check_print_share(const struct snapshot_figures *total, struct text *text)
{
    if (total->asked == 0 && total->fell_through_asked == 0) {
        text_add(text, "  pools had nothing to serve: no request of %zu to %zu bytes came\n",
                 remote_snapshot_plan.minimum, remote_snapshot_plan.maximum);
        return;
    }
    text_add(text, "  ");
    format_print_served_share(total, &remote_snapshot_plan, text);
}

/* Prints that the pools are on, or that they are off. */
static void check_print_pools(const struct snapshot *snapshot, struct text *text)
{
    if (snapshot->buckets > 0) {
        text_add(text, "  pools    on, of the kind ");
        setting_print(SETTING_POOL, snapshot->kind, text);
        text_add(text, "\n");
    } else {
        text_add(text, "  pools    off: %s\n",
                 options.number[OPTION_DISABLE] != 0 ? "SOCKMALLOC_DISABLE=1"
                                                     : "there was no address space for them (ulimit -v?)");
    }
}

/*
 * Prints that objects loaded with RTLD_DEEPBIND use the malloc of libc, if SOCKMALLOC_DEEPBIND=1 lets them do so.
 * Prints nothing without that setting, because the library then removes the flag RTLD_DEEPBIND, and objects that are
 * loaded later use the same malloc as the rest of the process.
 */
static void check_print_deeply_bound(struct text *text)
{
    if (options.number[OPTION_DEEPBIND] != 0) {
        text_add(text, "  malloc   of objects loaded with RTLD_DEEPBIND is the C library's own: "
                       "SOCKMALLOC_DEEPBIND=1\n");
    }
}

/* Prints the path of the library, which objects serve malloc, and if the pools are on. Prints no figures that change
 * from one moment to the next, because check_print_part prints the text only once for all processes that have an equal
 * text. */
static void check_print_details(const struct remote_process *target, const struct remote_linkmap *loaded,
                                const struct snapshot *snapshot, struct text *text)
{
    text_add(text, "  library  ");
    text_add_shown(text, target->library);
    text_add(text, "\n");
    check_print_malloc(loaded, text);
    check_print_deeply_bound(text);
    check_print_foreign(loaded, text);
    check_print_pools(snapshot, text);
}

/* Returns true if the library is in effect: if malloc is the library's and the pools are on. */
static bool check_is_effective(const struct remote_linkmap *loaded, const struct snapshot *snapshot)
{
    return loaded->has_view && snapshot->buckets > 0;
}

/* Prints if the loaded library is in effect, the details, and which share of the requested bytes the pools serve. */
static enum command_exit check_print_presence(const struct remote_process *target, const struct remote_linkmap *loaded,
                                              const struct snapshot *snapshot, struct text *text)
{
    bool effective = check_is_effective(loaded, snapshot);
    check_print_process(target, text);
    text_add_shown(text, target->view.library);
    text_add(text, " is %sin effect\n", effective ? "" : "not ");
    check_print_details(target, loaded, snapshot, text);
    if (snapshot->buckets > 0) {
        check_print_share(&snapshot->total, text);
    }
    return effective ? EXIT_DONE : EXIT_NO;
}

/* Prints the verdict on a process to stdout. traced_run_program also calls this function, at the end of a program. */
static enum command_exit check_process(int process, int status)
{
    static char buffer[VERDICT_SIZE];
    static struct snapshot snapshot;
    static struct remote_linkmap loaded;
    struct text text = text_begin(buffer, sizeof buffer);
    struct remote_process target;
    remote_process_open(&target, process);
    enum remote_process_state state = look_find(&target);
    if (state == REMOTE_READ) {
        state = look_take(&target, &snapshot);
    }
    bool is_there = state == REMOTE_READ;
    if (is_there || state == REMOTE_WITHOUT || state == REMOTE_BUFFERS) {
        state = look_find_loaded(&target, &loaded);
    }
    if (state != REMOTE_READ) {
        return remote_process_report(&target, state);
    }
    enum command_exit verdict = is_there ? check_print_presence(&target, &loaded, &snapshot, &text)
                                         : check_print_absence(&target, &loaded, &text);
    check_print_end(status, &text);
    enum command_exit written = command_write(buffer, text.used);
    return written == EXIT_DONE ? verdict : written;
}

/* The verdict on one of several processes. */
struct check_part {
    char *details; /* the text of the verdict; NULL if the process was not read */
    bool is_effective;
    bool is_printed;
};

/* Stores the verdict on a process of the group. The caller frees part->details. */
static void check_member(struct group_member *member, struct check_part *part)
{
    static char buffer[VERDICT_SIZE];
    static struct remote_linkmap loaded;
    struct text text = text_begin(buffer, sizeof buffer);
    if (!member->is_read || look_find_loaded(&member->target, &loaded) != REMOTE_READ) {
        return;
    }
    options = *member->options;
    part->is_effective = check_is_effective(&loaded, member->snapshot);
    check_print_details(&member->target, &loaded, member->snapshot, &text);
    part->details = strdup(buffer);
}

/* Returns true if the process has a verdict with this text that has not been printed yet. */
static bool check_is_alike(const struct check_part *part, const char *details)
{
    return part->details != NULL && !part->is_printed && strcmp(part->details, details) == 0;
}

/*
 * Prints the verdict of the process `first` once, with the ids of this process and of all later processes that have the
 * same verdict.
 */
static enum command_exit check_print_part(const struct process_group *group, struct check_part *part, unsigned first)
{
    static char buffer[VERDICT_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    const char *details = part[first].details;
    unsigned alike = 0;
    for (unsigned i = first; i < group->count; i++) {
        alike += check_is_alike(&part[i], details) ? 1 : 0;
    }
    text_add(&text, "%u process%s (", alike, alike == 1 ? "" : "es");
    text_add_shown(&text, group->member[first]->target.name);
    text_add(&text, "): sockmalloc ");
    text_add_shown(&text, group->member[first]->target.view.library);
    text_add(&text, " is %sin effect\n  process ", part[first].is_effective ? "" : "not ");
    for (unsigned i = first; i < group->count; i++) {
        if (check_is_alike(&part[i], details)) {
            text_add(&text, " %d", group->member[i]->target.process);
            part[i].is_printed = true;
        }
    }
    text_add(&text, "\n%s", details);
    return command_write(buffer, text.used);
}

/* Prints the verdict on several processes, and which share of their requests the pools served. */
static enum command_exit check_group(struct process_group *group)
{
    static struct process_sum sum;
    char line[128];
    struct text text = text_begin(line, sizeof line);
    enum command_exit verdict = process_group_take(group);
    if (verdict != EXIT_DONE) {
        return verdict;
    }
    struct check_part *part = calloc(group->count, sizeof *part);
    if (part == NULL) {
        return error_report(EXIT_FAILED, "check: there is no memory for the verdicts");
    }
    for (unsigned i = 0; i < group->count; i++) {
        check_member(group->member[i], &part[i]);
        verdict = part[i].is_effective ? verdict : EXIT_NO;
    }
    enum command_exit code = EXIT_DONE;
    for (unsigned i = 0; i < group->count; i++) {
        if (part[i].details != NULL && !part[i].is_printed && code == EXIT_DONE) {
            code = check_print_part(group, part, i);
        }
    }
    for (unsigned i = 0; i < group->count; i++) {
        free(part[i].details);
    }
    free(part);
    process_group_sum(group, &sum);
    remote_snapshot_plan = sum.plan;
    check_print_share(&sum.snapshot.total, &text);
    code = code == EXIT_DONE ? command_write(line, text.used) : code;
    return code == EXIT_DONE ? verdict : code;
}

/* Watches requests of all sizes for `seconds`, and prints the share that the pools served. */
static enum command_exit check_traffic(struct process_group *group, double seconds)
{
    struct traffic traffic;
    char line[128];
    struct text text = text_begin(line, sizeof line);
    group->is_silent = false;
    enum command_exit code = sampling_run(group, seconds, &traffic);
    if (code != EXIT_DONE) {
        return code;
    }
    text_add(&text, "  library  ");
    summary_print_share(&traffic, true, &remote_snapshot_plan, &text);
    text_add(&text, "\n");
    return command_write(line, text.used);
}

/*
 * Prints the verdict on the processes that `word` names. Returns false if `word` is a name that no process has, because
 * `word` is then a program to start. If no process that `word` names has loaded the library, prints the verdict on the
 * first of these processes.
 */
static bool check_running(const char *word, double sample, enum command_exit *code)
{
    static struct process_group group;
    const char *fault = process_group_add_word(&group, word);
    if (fault != NULL) {
        *code = error_report(EXIT_USAGE, "check: %s: %s", word, fault);
        return true;
    }
    look_open(LOOK_MILLISECONDS);
    group.is_silent = true;
    *code = process_group_find(&group);
    int first = group.word[0].kind == PROCESS_WORD_ID ? group.word[0].process : group.first;
    if (first == 0 && group.word[0].kind == PROCESS_WORD_NAME) {
        return false;
    }
    if (group.count > 1 || (group.count == 1 && group.member[0]->target.process != first)) {
        group.is_silent = false;
        *code = check_group(&group);
    } else {
        *code =
            first != 0 ? check_process(first, -1) : error_report(EXIT_GONE, "there is no process of the unit %s", word);
    }
    if (sample > 0 && *code == EXIT_DONE) {
        *code = check_traffic(&group, sample);
    }
    return true;
}

enum command_exit command_check(int count, char **arguments)
{
    struct launch launch;
    enum command_exit code = launch_parse(&launch, "check", count, arguments);
    if (code != EXIT_DONE) {
        return code;
    }
    const char *word = launch.program[0];
    /* program[-1] exists, because at least the name of the subcommand stands before the program */
    bool is_marked = strcmp(launch.program[-1], "--") == 0;
    bool may_run = launch.program[1] == NULL && !is_marked && strchr(word, '/') == NULL;
    if (may_run && check_running(word, launch.sample, &code)) {
        return code;
    }
    if (launch.sample > 0) {
        return error_report(EXIT_USAGE, "check: --sample needs a running process");
    }
    code = launch_judge(&launch);
    return code == EXIT_DONE ? traced_run_program(&launch, check_process) : code;
}
