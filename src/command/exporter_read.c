/* Reads all processes for `sockmalloc exporter`, and adds up their figures by program. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/exporter_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command/error.h"
#include "command/look.h"
#include "command/now.h"

/* at intervals of this many seconds, processes whose reading took too long are tried again */
enum { RETRY_SECONDS = 300 };

/* Returns zeroed memory with the alignment of struct exporter_figures, or NULL. */
static void *exporter_allocate(size_t size)
{
    size_t alignment = _Alignof(struct exporter_figures);
    void *memory = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

/* Clears the figures: no statistics, a memory of 0 bytes, and no pools. */
static void exporter_clear(struct exporter_figures *figures)
{
    figures->has_statistics = false;
    figures->memory = (struct remote_memory){0};
    figures->memory_is_known = true;
    remote_pools_clear(&figures->pools);
}

/* Returns the entry of the program with this name, or NULL if there is none. */
static struct exporter_program *exporter_find_program(const struct exporter *exporter, const char *name)
{
    struct exporter_program *program = exporter->program;
    while (program != NULL && strcmp(program->name, name) != 0) {
        program = program->next;
    }
    return program;
}

/* Returns a new entry for a program, or NULL if there is no memory. */
static struct exporter_program *exporter_add_program(struct exporter *exporter, const char *name)
{
    struct exporter_program *program = exporter_allocate(sizeof *program);
    if (program != NULL) {
        memcpy(program->name, name, sizeof program->name);
        exporter_clear(&program->sum);
        exporter_clear(&program->ended);
        program->next = exporter->program;
        exporter->program = program;
    }
    return program;
}

/*
 * Returns the name of the program of a process in the group. If the statistics of the process were read, the name is
 * the one in the statistics, which the program had at start-up.
 */
static const char *exporter_name(const struct group_member *member)
{
    return member->is_read ? member->program : member->target.name;
}

/*
 * Returns the exporter's entry for a process in the group. Returns NULL if there is none, or if the process has
 * executed a program of another name since the entry was made.
 */
static struct exporter_process *exporter_find_process(const struct exporter *exporter,
                                                      const struct group_member *member)
{
    struct exporter_process *process = exporter->process;
    while (process != NULL && (process->process != member->target.process || process->start != member->target.start ||
                               strcmp(process->name, exporter_name(member)) != 0)) {
        process = process->next;
    }
    return process;
}

/* Returns true if a process of this program already has the number `worker` among the processes of the program. */
static bool exporter_has_worker(const struct exporter *exporter, const char *name, unsigned worker)
{
    const struct exporter_process *process = exporter->process;
    while (process != NULL && (process->worker != worker || strcmp(process->name, name) != 0)) {
        process = process->next;
    }
    return process != NULL;
}

/* Returns a new entry of the exporter for a process in the group, or NULL if there is no memory. */
static struct exporter_process *exporter_add_process(struct exporter *exporter, const struct group_member *member)
{
    struct exporter_process *process = exporter_allocate(sizeof *process);
    if (process == NULL) {
        return NULL;
    }
    while (exporter_has_worker(exporter, exporter_name(member), process->worker)) {
        process->worker++;
    }
    process->process = member->target.process;
    process->start = member->target.start;
    memcpy(process->name, exporter_name(member), sizeof process->name);
    process->next = exporter->process;
    exporter->process = process;
    return process;
}

/* Copies the statistics that the group has read from one of its processes, and reads the memory and the pools of this
 * process. Returns false if there is no memory for an entry. */
static bool exporter_take(struct exporter *exporter, struct group_member *member)
{
    struct exporter_process *process = exporter_find_process(exporter, member);
    process = process != NULL ? process : exporter_add_process(exporter, member);
    if (process == NULL) {
        return false;
    }
    struct exporter_figures *figures = &process->figures;
    figures->has_statistics = member->is_read;
    if (member->is_read) {
        process_sum_begin(&figures->statistics, member->snapshot, &member->plan, member->options);
        figures->statistics.snapshot.program = process->name;
    }
    figures->memory_is_known = look_at_memory(&member->target, &figures->memory) == REMOTE_READ;
    look_at_pools(&member->target, &figures->pools); /* leaves the last figures if the pools cannot be read */
    return true;
}

/* Adds the statistics of a process to a sum. Returns false if the sum would have too many buckets. */
static bool exporter_add_statistics(struct exporter_figures *sum, const struct exporter_figures *figures)
{
    const struct process_sum *statistics = &figures->statistics;
    if (!figures->has_statistics) {
        return true;
    }
    if (!sum->has_statistics) {
        sum->statistics = *statistics;
        sum->has_statistics = true;
        return true;
    }
    return process_sum_add(&sum->statistics, &statistics->snapshot, &statistics->plan, &statistics->options);
}

/* Adds the figures of a process to a sum. Returns false, with nothing changed, if the sum would have too many buckets.
 */
static bool exporter_add(struct exporter_figures *sum, const struct exporter_figures *figures)
{
    if (!exporter_add_statistics(sum, figures)) {
        return false;
    }
    sum->memory.resident += figures->memory.resident;
    sum->memory.small += figures->memory.small;
    sum->memory_is_known = sum->memory_is_known && figures->memory_is_known;
    remote_pools_add(&sum->pools, &figures->pools);
    return true;
}

static void exporter_clear_gauges(struct snapshot_figures *figures)
{
#define CLEAR_GAUGE(name, width, type, unit, help)                                                                     \
    figures->name = SNAPSHOT_##type == SNAPSHOT_GAUGE ? 0 : figures->name;
    SNAPSHOT_ROWS(CLEAR_GAUGE)
#undef CLEAR_GAUGE
}

/* Sets all figures except the counters to zero, because a process that has ended holds no memory. */
static void exporter_keep_counters(struct exporter_figures *figures)
{
    struct snapshot *snapshot = &figures->statistics.snapshot;
    for (unsigned bucket = 0; bucket < snapshot->buckets; bucket++) {
        exporter_clear_gauges(&snapshot->bucket[bucket]);
    }
    exporter_clear_gauges(&snapshot->total);
#define CLEAR_GAUGE(name, type, unit, help) snapshot->name = SNAPSHOT_##type == SNAPSHOT_GAUGE ? 0 : snapshot->name;
    SNAPSHOT_PROCESS_ROWS(CLEAR_GAUGE)
#undef CLEAR_GAUGE
    figures->memory = (struct remote_memory){0};
    figures->memory_is_known = true;
    for (unsigned i = 0; i < figures->pools.count; i++) {
        struct fixed_figures *pool = &figures->pools.pool[i].figures;
        struct fixed_figures kept = {.requests = pool->requests,
                                     .frees = pool->frees,
                                     .swaps = pool->swaps,
                                     .walks = pool->walks,
                                     .steals = pool->steals};
#define KEEP_EVENT(name, unit, help) kept.name = pool->name;
        FIXED_EVENT_ROWS(KEEP_EVENT)
#undef KEEP_EVENT
        *pool = kept;
    }
    remote_buffers_keep_counters(&figures->pools.buffers);
}

/* Adds the counters of a process that has ended to the counters of its program. */
static void exporter_keep_ended(struct exporter *exporter, struct exporter_process *process)
{
    struct exporter_program *program = exporter_find_program(exporter, process->name);
    if (program != NULL) {
        exporter_keep_counters(&process->figures);
        exporter_add(&program->ended, &process->figures);
    }
}

/* Removes the entries of processes that have ended. */
static void exporter_forget_processes(struct exporter *exporter)
{
    struct exporter_process **link = &exporter->process;
    while (*link != NULL) {
        struct exporter_process *process = *link;
        if (process->is_present) {
            link = &process->next;
        } else {
            exporter_keep_ended(exporter, process);
            *link = process->next;
            free(process);
        }
    }
}

/* Removes the entries of programs that have no processes. */
static void exporter_forget_programs(struct exporter *exporter)
{
    struct exporter_program **link = &exporter->program;
    while (*link != NULL) {
        struct exporter_program *program = *link;
        if (program->processes > 0) {
            link = &program->next;
        } else {
            *link = program->next;
            free(program);
        }
    }
}

/* Adds the figures of a process to the sum of its program. Returns false if there is no memory. */
static bool exporter_sum_process(struct exporter *exporter, const struct exporter_process *process)
{
    struct exporter_program *program = exporter_find_program(exporter, process->name);
    program = program != NULL ? program : exporter_add_program(exporter, process->name);
    if (program == NULL) {
        return false;
    }
    if (exporter_add(&program->sum, &process->figures)) {
        program->processes++;
    } else {
        exporter->unreadable[EXPORTER_DAMAGED]++;
    }
    return true;
}

/* Adds up the figures of all processes by program. Returns false if there is no memory. */
static bool exporter_sum(struct exporter *exporter)
{
    bool whole = true;
    for (struct exporter_program *program = exporter->program; program != NULL; program = program->next) {
        program->processes = 0;
        exporter_clear(&program->sum);
    }
    for (const struct exporter_process *process = exporter->process; process != NULL && whole;
         process = process->next) {
        whole = exporter_sum_process(exporter, process);
    }
    exporter_forget_programs(exporter);
    for (struct exporter_program *program = exporter->program; program != NULL; program = program->next) {
        exporter_add(&program->sum, &program->ended);
        program->sum.statistics.snapshot.program = program->name;
    }
    return whole;
}

static enum exporter_reason exporter_reason(enum remote_process_state state)
{
    switch (state) {
    case REMOTE_FORBIDDEN:
        return EXPORTER_FORBIDDEN;
    case REMOTE_OTHER:
        return EXPORTER_VERSION;
    case REMOTE_SENSELESS:
    case REMOTE_TOO_LARGE:
    case REMOTE_IN_THE_WAY:
        return EXPORTER_DAMAGED;
    case REMOTE_LATE:
    case REMOTE_BROKEN:
    case REMOTE_UNTRIED:
    /* a process with this state was found, but its figures were not read, because too many other processes took too
     * long */
    case REMOTE_READ:
        return EXPORTER_LATE;
    default:
        return EXPORTER_ENDED;
    }
}

/* Counts the processes that could not be read, by the reason. */
static void exporter_count_unreadable(struct exporter *exporter)
{
    const struct process_group *group = &exporter->group;
    memset(exporter->unreadable, 0, sizeof exporter->unreadable);
    exporter->unreadable[EXPORTER_FORBIDDEN] = group->forbidden;
    exporter->unreadable[EXPORTER_LATE] = group->untried;
    for (unsigned i = 0; i < group->count; i++) {
        const struct group_member *member = group->member[i];
        if (!member->is_read && member->state != REMOTE_BUFFERS) {
            exporter->unreadable[exporter_reason(member->state)]++;
        }
    }
}

/* Lists the processes and takes their snapshots. Returns false if the processes cannot be listed. */
static bool exporter_visit(struct exporter *exporter)
{
    struct process_group *group = &exporter->group;
    double now = now_seconds();
    bool late = now - exporter->retried >= RETRY_SECONDS;
    exporter->retried = late ? now : exporter->retried;
    group->is_silent = true;
    group->shows_all = true;
    group->has_buffers = true;
    process_group_retry(group, late);
    if (process_group_find(group) == EXIT_FORBIDDEN) {
        return false; /* the processes cannot be listed */
    }
    process_group_take(group);
    exporter_count_unreadable(exporter);
    return true;
}

static bool exporter_is_readable(const struct group_member *member)
{
    return member->is_read || member->state == REMOTE_BUFFERS;
}

/*
 * Returns true if the figures of a process shall stay, because the process exists and has not executed a program of
 * another name. The figures also stay if the process could not be read this time, because old figures are better than
 * counters that fall now, and rise again when the process can be read.
 */
static bool exporter_is_present(const struct exporter *exporter, const struct exporter_process *process)
{
    for (unsigned i = 0; i < exporter->group.count; i++) {
        const struct group_member *member = exporter->group.member[i];
        if (member->target.process == process->process && member->target.start == process->start) {
            return exporter_is_readable(member) ? exporter_find_process(exporter, member) == process
                                                : exporter_reason(member->state) != EXPORTER_ENDED;
        }
    }
    return false;
}

static void exporter_mark_present(struct exporter *exporter)
{
    for (struct exporter_process *process = exporter->process; process != NULL; process = process->next) {
        process->is_present = exporter_is_present(exporter, process);
    }
}

/*
 * Reads all processes. Removes the ended processes before new ones are added, because a new process shall get the
 * number that an ended process had among the workers of the program.
 */
bool exporter_read(struct exporter *exporter)
{
    double begin = now_seconds();
    bool whole = true;
    if (!exporter_visit(exporter)) {
        return false;
    }
    exporter_mark_present(exporter);
    exporter_forget_processes(exporter);
    for (unsigned i = 0; i < exporter->group.count; i++) {
        struct group_member *member = exporter->group.member[i];
        whole = whole && (!exporter_is_readable(member) || exporter_take(exporter, member));
    }
    whole = whole && exporter_sum(exporter);
    if (!whole) {
        error_report(EXIT_FAILED, "exporter: there is no memory for the figures: %s", strerror(errno));
    }
    exporter->seconds = now_seconds() - begin;
    return whole;
}
