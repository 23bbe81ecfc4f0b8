/*
 * Makes the list of the processes that `top` shows: their figures at the last reading, their rates since the reading
 * before, and which processes are workers of another process.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/top_list.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bounds.h"
#include "command/look.h"
#include "command/now.h"

static struct top_process *top_find(struct top_list *list, int process)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (list->process[i].target.process == process) {
            return &list->process[i];
        }
    }
    return NULL;
}

/*
 * Adds up, over the requests of a bucket, the capacity in bytes of the slot that served each request, and returns the
 * sum. If `bucket` is snapshot.buckets, adds up over the requests of all buckets. Counts the requests since the start
 * of the process if `ever` is true, otherwise those between the last two readings.
 */
static double top_room(const struct top_process *process, unsigned bucket, bool ever)
{
    bool all = bucket == process->snapshot.buckets;
    double room = 0;
    for (unsigned i = all ? 0 : bucket; i < (all ? process->snapshot.buckets : bucket + 1); i++) {
        double requests = (double)process->snapshot.bucket[i].requests;
        requests -= ever ? 0 : (double)process->former.bucket[i].requests;
        room += requests * (double)process->plan.capacity[i];
    }
    return room;
}

/*
 * Returns the figures of a bucket between the last two readings. If no requests came between the readings, the shares
 * are those since the start of the process. Returns the figures of all buckets together if `bucket` is
 * snapshot.buckets.
 */
static struct top_figures top_compare(const struct top_process *process, unsigned bucket)
{
    bool all = bucket == process->snapshot.buckets;
    const struct snapshot_figures *now = all ? &process->snapshot.total : &process->snapshot.bucket[bucket];
    const struct snapshot_figures *former = all ? &process->former.total : &process->former.bucket[bucket];
    double seconds = (double)(process->time - process->former_time) / 1e9;
    bool grew = process->has_former && now->requests > former->requests && seconds > 0;
    double requests = (double)(now->requests - (grew ? former->requests : 0));
    double hits = (double)(now->cache_hits - (grew ? former->cache_hits : 0));
    double asked = (double)(now->asked - (grew ? former->asked : 0));
    double room = top_room(process, bucket, !grew);
    double fell = (double)(now->fell_through - (grew ? former->fell_through : 0));
    return (struct top_figures){.live = now->live,
                                .cached = now->cached,
                                .resident = now->resident,
                                .rss = SNAPSHOT_UNKNOWN,
                                .cpu = -1,
                                .fell = requests + fell > 0 ? fell / (requests + fell) : 0,
                                .fell_rate = grew ? fell / seconds : 0,
                                .rate = grew ? requests / seconds : 0,
                                .hits = requests > 0 && hits <= requests ? hits / requests : 0,
                                .room = grew ? room / seconds : 0,
                                .filled = room > 0 && asked <= room ? asked / room : 0};
}

static struct top_figures top_total(const struct top_process *process)
{
    struct top_figures total = top_compare(process, process->snapshot.buckets);
    double seconds = (double)(process->time - process->former_time) / 1e9;
    double ticks = (double)EXCESS(process->ticks, process->former_ticks);
    total.rss = process->rss;
    total.cpu = process->has_former && seconds > 0 ? ticks / (double)sysconf(_SC_CLK_TCK) / seconds : 0;
    return total;
}

/* Reads the processor time, the resident memory and the parent of the process from /proc. */
static void top_look_at_status(struct top_process *process)
{
    struct remote_process_status status = {0};
    process->former_ticks = process->ticks;
    remote_process_status(process->target.process, &status);
    process->parent = status.parent;
    process->ticks = status.ticks;
    process->rss = status.pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static enum remote_process_state top_look_at(struct top_process *process)
{
    process->former = process->snapshot;
    process->former_time = process->time;
    process->has_former = process->is_read;
    enum remote_process_state state = look_take(&process->target, &process->snapshot);
    process->is_read = state == REMOTE_READ;
    process->time = now_nanoseconds();
    process->plan = remote_snapshot_plan;
    top_look_at_status(process);
    process->total = top_total(process);
    return state;
}

static bool top_is_costly(const struct top_list *list, const struct remote_process *target)
{
    for (unsigned i = 0; i < TOP_COSTLY; i++) {
        if (list->costly[i].process == target->process && list->costly[i].start == target->start) {
            return true;
        }
    }
    return false;
}

/*
 * If reading a process took too long, needed more memory than allowed, or crashed the child process that read it, puts
 * the process on the list of costly processes, so that the process is not read again.
 */
static void top_note_state(struct top_list *list, const struct remote_process *target, enum remote_process_state state)
{
    if (state == REMOTE_LATE || state == REMOTE_TOO_LARGE || state == REMOTE_BROKEN) {
        list->costly[list->costly_next] = (struct top_costly){.process = target->process, .start = target->start};
        list->costly_next = (list->costly_next + 1) % TOP_COSTLY;
    }
}

/* Reads a process that is not yet on the list, and adds it to the list if it can be read. Returns the state of the
 * process. Does not read the process, but returns REMOTE_READ, if the list is full or has the process already. Returns
 * REMOTE_LATE if the process is one of the costly ones. */
static enum remote_process_state top_add(struct top_list *list, int number)
{
    if (list->count == TOP_PROCESSES || top_find(list, number) != NULL) {
        return REMOTE_READ;
    }
    struct top_process *process = &list->process[list->count];
    *process = (struct top_process){.is_read = false};
    remote_process_open(&process->target, number);
    if (top_is_costly(list, &process->target)) {
        return REMOTE_LATE;
    }
    enum remote_process_state state = list->words > 0 ? look_find(&process->target) : look_find_named(&process->target);
    if (state == REMOTE_READ) {
        state = top_look_at(process);
    }
    top_note_state(list, &process->target, state);
    list->count += state == REMOTE_READ ? 1 : 0;
    return state;
}

static void top_remove(struct top_list *list, unsigned at)
{
    list->count--;
    list->process[at] = list->process[list->count];
}

/* Returns true if the user named this process by its process id. */
static bool top_is_wanted(const struct top_list *list, int process)
{
    for (unsigned i = 0; i < list->words; i++) {
        if (list->word[i].process == process) {
            return true;
        }
    }
    return false;
}

enum remote_process_state top_list_look(struct top_list *list)
{
    enum remote_process_state state = REMOTE_GONE;
    list->last.process = 0;
    for (unsigned i = list->count; i-- > 0;) {
        enum remote_process_state found = top_look_at(&list->process[i]);
        if (found != REMOTE_READ) {
            state = found;
            top_note_state(list, &list->process[i].target, found);
            top_remove(list, i);
        }
    }
    struct process_list all;
    process_list_read(&all); /* if this fails, processes already on the list are shown */
    for (unsigned i = 0; i < all.count; i++) {
        if (process_list_names(&all, &all.row[i], list->word, list->words)) {
            enum remote_process_state found = top_add(list, all.row[i].process);
            bool tells = found != REMOTE_READ && (list->last.process == 0 || top_is_wanted(list, all.row[i].process));
            state = tells ? found : state;
            /* if `tells` is true, the process could not be read, and top_add has left its data in
             * process[list->count], the first entry that is not in use */
            list->last = tells ? list->process[list->count].target : list->last;
        }
    }
    process_list_free(&all);
    return list->count > 0 ? REMOTE_READ : state;
}

/* Returns the master of a process: the last process that is reached by going from parent to parent, as long as the
 * parent is on the list and has the name of the process. If there is no such parent, returns the process itself. */
static struct top_process *top_master(struct top_list *list, struct top_process *process)
{
    struct top_process *master = process;
    /* TOP_PROCESSES steps are enough, because a chain of ancestors has at most as many processes as the list */
    for (unsigned i = 0; i < TOP_PROCESSES; i++) {
        struct top_process *above = top_find(list, master->parent);
        if (above == NULL || strcmp(above->target.name, process->target.name) != 0) {
            break;
        }
        master = above;
    }
    return master;
}

/* Adds `own`, the figures of a worker process, to `to`, the figures of its master process. */
static void top_add_figures(struct top_figures *to, const struct top_figures *own)
{
    double rate = to->rate + own->rate;
    double room = to->room + own->room;
    /*
     * The shares `hits` and `filled` of the sum are averages over master and worker. `hits` is weighted by their
     * requests, and `filled` by the capacity `room` of the slots that served the requests. A worker without requests
     * does not change the shares.
     */
    if (room > 0) {
        to->filled = (to->filled * to->room + own->filled * own->room) / room;
    }
    if (rate > 0) {
        to->hits = (to->hits * to->rate + own->hits * own->rate) / rate;
    }
    double calls = to->rate + to->fell_rate + own->rate + own->fell_rate;
    if (calls > 0) {
        to->fell = (to->fell_rate + own->fell_rate) / calls;
    }
    to->fell_rate += own->fell_rate;
    to->cpu = own->cpu < 0 ? to->cpu : to->cpu + own->cpu;
    to->rss = snapshot_sum(to->rss, own->rss);
    to->live += own->live;
    to->cached += own->cached;
    to->resident = snapshot_sum(to->resident, own->resident);
    to->rate = rate;
    to->room = room;
}

/*
 * Returns the number of the bucket of a process that has this capacity in bytes, or snapshot.buckets if there is none.
 */
static unsigned top_find_bucket(const struct top_process *process, size_t capacity)
{
    unsigned bucket = 0;
    while (bucket < process->snapshot.buckets && process->plan.capacity[bucket] != capacity) {
        bucket++;
    }
    return bucket;
}

struct top_figures top_list_bucket(struct top_list *list, const struct top_process *process, unsigned bucket)
{
    struct top_figures sum = top_compare(process, bucket);
    for (unsigned i = 0; i < list->count; i++) {
        struct top_process *worker = &list->process[i];
        unsigned its = top_find_bucket(worker, process->plan.capacity[bucket]);
        if (worker->is_folded && its < worker->snapshot.buckets && top_master(list, worker) == process) {
            struct top_figures own = top_compare(worker, its);
            top_add_figures(&sum, &own);
        }
    }
    return sum;
}

void top_list_fold(struct top_list *list, bool wanted)
{
    for (unsigned i = 0; i < list->count; i++) {
        struct top_process *process = &list->process[i];
        process->total = top_total(process);
        process->workers = 0;
        process->is_folded = wanted && top_master(list, process) != process;
    }
    for (unsigned i = 0; i < list->count; i++) {
        if (list->process[i].is_folded) {
            struct top_process *master = top_master(list, &list->process[i]);
            struct top_figures own = top_total(&list->process[i]);
            top_add_figures(&master->total, &own);
            master->workers++;
        }
    }
}

static double top_key(const struct top_process *process, enum top_order order)
{
    switch (order) {
    case TOP_BY_RATE:
        return process->total.rate;
    case TOP_BY_LIVE:
        return (double)process->total.live;
    case TOP_BY_CACHED:
        return (double)process->total.cached;
    case TOP_BY_RESIDENT:
        return process->total.resident != SNAPSHOT_UNKNOWN ? (double)process->total.resident : 0;
    case TOP_BY_RSS:
        return process->total.rss != SNAPSHOT_UNKNOWN ? (double)process->total.rss : 0;
    case TOP_BY_CPU:
        return process->total.cpu;
    case TOP_BY_FELL:
        return process->total.fell;
    case TOP_BY_HITS:
        return process->total.hits;
    default:
        return -(double)process->target.process;
    }
}

/*
 * Sorts by insertion, because the processes are few and mostly in order. Processes with equal figures keep their order,
 * so their lines do not jump.
 */
void top_list_sort(struct top_list *list, enum top_order order)
{
    for (unsigned i = 1; i < list->count; i++) {
        for (unsigned at = i; at > 0 && top_key(&list->process[at - 1], order) < top_key(&list->process[at], order);
             at--) {
            struct top_process moved = list->process[at];
            list->process[at] = list->process[at - 1];
            list->process[at - 1] = moved;
        }
    }
}
