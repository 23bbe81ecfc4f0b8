/* sockmalloc stat: prints the statistics of live processes, which it reads from outside. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "command/pool_format.h"
#include "command/process_group.h"
#include "command/remote_signal.h"
#include "command/sampling.h"
#include "command/summary.h"
#include "sockmalloc.h"
#include "statistics/format.h"
#include "statistics/format_prometheus.h"

struct stat_wish {
    struct process_group group;
    double interval; /* seconds from one printing of the statistics to the next; 0 prints them once */
    bool by_signal;
    bool wide; /* true to print all columns and the settings, instead of a summary */
    bool each; /* true to print the statistics of each process, and not their sum */
    enum format format;
    double sample;  /* seconds for which requests of all sizes are watched; 0 if they are not */
    unsigned lines; /* how many lines of --interval have been printed so far */
};

static const char *stat_take(void *input, int key, const char *argument)
{
    struct stat_wish *wish = input;
    switch (key) {
    case 'e':
        wish->each = true;
        return NULL;
    case 'i':
        return command_read_interval(argument, &wish->interval);
    case 'j':
        wish->format = FORMAT_JSON;
        return NULL;
    case 'w':
        wish->wide = true;
        return NULL;
    case 'p':
        wish->format = FORMAT_PROMETHEUS;
        return NULL;
    case 's':
        wish->by_signal = true;
        return NULL;
    case 'S':
        return sampling_read(argument, &wish->sample);
    default:
        return process_group_add_word(&wish->group, argument);
    }
}

/* The statistics of one process, or the sum of those of several. */
struct stat_subject {
    const struct snapshot *snapshot;
    const struct bucket_plan *plan;
    const struct remote_memory *memory; /* NULL if the memory could not be read */
    /* if the output is JSON or in the format of Prometheus, these pools are printed together with the statistics */
    const struct remote_pools *pools;
    bool same_settings;
    const struct traffic *traffic; /* the requests that --sample has counted, or NULL */
    struct group_rates rates;
    /* --interval prints a line for each reading; the first column of these lines has the heading `heading` and shows
     * `number` */
    const char *heading;
    unsigned number;
};

enum { HEADING_EACH = 20 }; /* the headings are printed again after this many lines */

/* Prints a line with the rates since the last reading. Prints the headings before every HEADING_EACH lines. */
static void stat_print_step(struct stat_wish *wish, const struct stat_subject *subject, struct text *text)
{
    char first[16];
    struct text number = text_begin(first, sizeof first);
    text_add(&number, "%u", subject->number);
    struct summary_step step = {.first = first,
                                .has_rates = subject->rates.known,
                                .requests = subject->rates.requests,
                                .fell_through = subject->rates.fell_through};
    if (wish->lines++ % HEADING_EACH == 0) {
        summary_print_heading(subject->heading, text);
    }
    summary_print_step(&step, &subject->snapshot->total, subject->memory, text);
}

/* Prints the statistics in the format of Prometheus. */
static void stat_print_prometheus(const struct stat_wish *wish, const struct stat_subject *subject, struct text *text)
{
    char buffer[PROMETHEUS_LABELS_SIZE];
    struct text labels = text_begin(buffer, sizeof buffer);
    enum prometheus_detail detail = wish->wide ? PROMETHEUS_WIDE : PROMETHEUS_SHORT;
    bool samples_small = options.number[OPTION_SAMPLE_SMALL] != 0;
    prometheus_print_labels(subject->snapshot, &labels);
    prometheus_print(&(struct prometheus_subject){subject->snapshot, subject->plan, buffer, samples_small}, 1, detail,
                     text);
    pool_format_prometheus(&(struct pool_subject){subject->pools, buffer}, 1, detail, text);
}

/* Prints the statistics as JSON. If the process has fixed-size pools, message pages or rings, adds them as further
 * members of the object. */
static void stat_print_json(const struct stat_subject *subject, struct text *text)
{
    format_print(FORMAT_JSON, subject->snapshot, subject->plan, text);
    if (remote_pools_are_any(subject->pools)) {
        text->used -= strlen("}\n"); /* removes the brace that ends the object, because a member follows */
        pool_format_json(subject->pools, text);
        text_add(text, "}\n");
    }
}

static enum command_exit stat_print(struct stat_wish *wish, const struct stat_subject *subject)
{
    static char buffer[FORMAT_SIZE + POOL_FORMAT_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    if (wish->format == FORMAT_PROMETHEUS) {
        stat_print_prometheus(wish, subject, &text);
    } else if (wish->format == FORMAT_JSON) {
        stat_print_json(subject, &text);
    } else if (wish->wide) {
        format_print(wish->format, subject->snapshot, subject->plan, &text);
        format_print_end(wish->format, subject->snapshot, &text);
    } else if (wish->interval > 0) {
        stat_print_step(wish, subject, &text);
    } else {
        const struct summary_facts facts = {
            .memory = subject->memory, .traffic = subject->traffic, .same_settings = subject->same_settings};
        summary_print(subject->snapshot, subject->plan, &facts, &text);
    }
    return command_write(buffer, text.used);
}

/* Returns true if the memory of the processes is printed. */
static bool stat_shows_memory(const struct stat_wish *wish)
{
    return wish->format == FORMAT_TEXT && !wish->wide;
}

/*
 * Adds the fixed-size pools, message pages and rings of a process to *sum, if the format prints them together with the
 * statistics. If the pools cannot be read, nothing is added.
 */
static void stat_add_pools(const struct stat_wish *wish, struct group_member *member, struct remote_pools *sum)
{
    static struct remote_pools pools;
    if (wish->format != FORMAT_TEXT && look_at_pools(&member->target, &pools) == REMOTE_READ) {
        remote_pools_add(sum, &pools);
    }
}

static enum command_exit stat_print_each(struct stat_wish *wish)
{
    enum command_exit code = EXIT_DONE;
    bool first = true;
    for (unsigned i = 0; i < wish->group.count && code == EXIT_DONE; i++) {
        struct group_member *member = wish->group.member[i];
        if (!member->is_read) {
            continue;
        }
        static struct remote_pools pools;
        struct remote_memory memory;
        bool is_known = stat_shows_memory(wish) && look_at_memory(&member->target, &memory) == REMOTE_READ;
        struct stat_subject subject = {.snapshot = member->snapshot,
                                       .plan = &member->plan,
                                       .pools = &pools,
                                       .memory = is_known ? &memory : NULL,
                                       .same_settings = true,
                                       .heading = "process",
                                       .number = (unsigned)member->target.process};
        process_group_add_rates(member, &subject.rates);
        remote_pools_clear(&pools);
        stat_add_pools(wish, member, &pools);
        if (!first && wish->format == FORMAT_TEXT && !wish->wide && wish->interval == 0) {
            code = command_write("\n", 1);
        }
        options = *member->options;
        code = code == EXIT_DONE ? stat_print(wish, &subject) : code;
        first = false;
    }
    return code;
}

static enum command_exit stat_print_sum(struct stat_wish *wish, const struct traffic *traffic)
{
    static struct process_sum sum;
    static struct remote_pools pools;
    struct remote_memory memory = {0};
    remote_pools_clear(&pools);
    process_group_sum(&wish->group, &sum);
    struct stat_subject subject = {.snapshot = &sum.snapshot,
                                   .plan = &sum.plan,
                                   .pools = &pools,
                                   .traffic = traffic,
                                   .same_settings = sum.same_settings,
                                   .heading = "processes",
                                   .number = (unsigned)sum.snapshot.processes};
    for (unsigned i = 0; i < wish->group.count; i++) {
        struct group_member *member = wish->group.member[i];
        if (member->is_read) {
            process_group_add_rates(member, &subject.rates);
        }
        if (member->is_read || (member->state == REMOTE_BUFFERS && wish->format == FORMAT_PROMETHEUS)) {
            stat_add_pools(wish, member, &pools);
        }
    }
    bool is_known = stat_shows_memory(wish) && process_group_add_memory(&wish->group, &memory);
    subject.memory = is_known ? &memory : NULL;
    return stat_print(wish, &subject);
}

/*
 * Sends the library's statistics signal to each process. The value SOCKMALLOC_DUMP_ONLY, which is sent with the signal,
 * tells the library not to call the program's own handler of the signal. Returns EXIT_DONE, or the exit code of the
 * last error.
 */
static enum command_exit stat_ask_all(struct process_group *group)
{
    static struct option_set settings;
    enum command_exit code = EXIT_DONE;
    for (unsigned i = 0; i < group->count; i++) {
        if (group->member[i]->state == REMOTE_READ) {
            enum command_exit one = remote_signal_send(&group->member[i]->target, SOCKMALLOC_DUMP_ONLY, &settings);
            code = one != EXIT_DONE ? one : code;
        }
    }
    return code;
}

/* Prints a line for each fixed-size pool of a process. The names come last, because they may be long. */
static void stat_print_pools(const struct remote_pools *pools, int process, struct text *text)
{
    text_add(text, "\npools of process %d\n%9s %9s %9s %9s %9s %12s  name\n", process, "block", "live", "cached",
             "free", "purged", "memory");
    for (unsigned i = 0; i < pools->count; i++) {
        const struct remote_pool *pool = &pools->pool[i];
        const struct fixed_figures *figures = &pool->figures;
        text_add(text, "%9lu %9lu %9lu %9lu %9lu %12lu  ", (unsigned long)pool->block, (unsigned long)figures->live,
                 (unsigned long)figures->cached, (unsigned long)figures->free, (unsigned long)figures->purged,
                 (unsigned long)figures->memory);
        text_add_shown(text, pool->name);
        text_add(text, "\n");
    }
}

/*
 * Prints the fixed-size pools, message pages and rings of each process, as text. Leaves out a process whose pools
 * cannot be read.
 */
static enum command_exit stat_print_all_pools(struct stat_wish *wish)
{
    static struct remote_pools pools;
    static char buffer[FORMAT_SIZE + BUFFER_FORMAT_SIZE];
    enum command_exit code = EXIT_DONE;
    for (unsigned i = 0; i < wish->group.count && code == EXIT_DONE; i++) {
        struct group_member *member = wish->group.member[i];
        bool is_shown = member->is_read || member->state == REMOTE_BUFFERS;
        if (is_shown && look_at_pools(&member->target, &pools) == REMOTE_READ && remote_pools_are_any(&pools)) {
            struct text text = text_begin(buffer, sizeof buffer);
            if (pools.count > 0) {
                stat_print_pools(&pools, member->target.process, &text);
            }
            buffer_format_text(&pools.buffers, member->target.process, &text);
            code = command_write(buffer, text.used);
        }
    }
    return code;
}

/* Prints as JSON the pools of a process that has loaded libsockmalloc-buffers.so but not the library itself. */
static void stat_print_buffers_json(const struct group_member *member, const struct remote_pools *pools,
                                    struct text *text)
{
    text_add(text, "{\"format\":%d,\"version\":", (int)FORMAT_JSON_VERSION);
    format_print_json_string(member->target.view.library, text);
    text_add(text, ",\"program\":");
    format_print_json_string(member->target.name, text);
    text_add(text, ",\"process\":%d", member->target.process);
    pool_format_json(pools, text);
    text_add(text, "}\n");
}

/*
 * Prints the pools of the processes that have loaded libsockmalloc-buffers.so but not the library itself. Prints an
 * object for each process as JSON, or the sum of these processes for Prometheus.
 */
static enum command_exit stat_print_buffers(struct stat_wish *wish)
{
    static struct remote_pools pools;
    static struct remote_pools sum;
    static char buffer[POOL_FORMAT_SIZE];
    const struct remote_process *first = NULL;
    struct text text = text_begin(buffer, sizeof buffer);
    enum command_exit code = EXIT_DONE;
    remote_pools_clear(&sum);
    for (unsigned i = 0; i < wish->group.count && code == EXIT_DONE; i++) {
        struct group_member *member = wish->group.member[i];
        if (member->state != REMOTE_BUFFERS || look_at_pools(&member->target, &pools) != REMOTE_READ) {
            continue;
        }
        first = first == NULL ? &member->target : first;
        remote_pools_add(&sum, &pools);
        if (wish->format == FORMAT_JSON) {
            stat_print_buffers_json(member, &pools, &text);
            code = command_write(buffer, text.used);
            text = text_begin(buffer, sizeof buffer);
        }
    }
    if (wish->format == FORMAT_PROMETHEUS && first != NULL) {
        char labels[PROMETHEUS_LABELS_SIZE];
        struct text label = text_begin(labels, sizeof labels);
        const struct snapshot named = {.program = first->name, .process = first->process, .processes = 1};
        prometheus_print_labels(&named, &label);
        pool_format_prometheus(&(struct pool_subject){&sum, labels}, 1, wish->wide ? PROMETHEUS_WIDE : PROMETHEUS_SHORT,
                               &text);
        code = command_write(buffer, text.used);
    }
    return code;
}

static enum command_exit stat_print_group(struct stat_wish *wish, const struct traffic *traffic)
{
    bool has_statistics = process_group_read_count(&wish->group) > 0;
    enum command_exit code = EXIT_DONE;
    if (has_statistics) {
        code = wish->each ? stat_print_each(wish) : stat_print_sum(wish, traffic);
    }
    if (code == EXIT_DONE && wish->format == FORMAT_TEXT && wish->interval == 0) {
        return stat_print_all_pools(wish);
    }
    /*
     * true if the pools of processes that have loaded only libsockmalloc-buffers.so must still be printed. As JSON,
     * they are printed now. In the format of Prometheus, each metric may occur only once in the output. So if there
     * were statistics, stat_print_sum has already printed these pools together with the statistics.
     */
    bool follow = wish->format == FORMAT_JSON || (wish->format == FORMAT_PROMETHEUS && !has_statistics);
    return code == EXIT_DONE && follow ? stat_print_buffers(wish) : code;
}

static enum command_exit stat_do(struct stat_wish *wish)
{
    /*
     * true to include processes that have loaded libsockmalloc-buffers.so but not the library. --signal leaves these
     * processes out, because they get no signal. --sample leaves them out, because they have no requests to watch. The
     * lines of --interval leave them out, because they have no rates.
     */
    wish->group.has_buffers =
        !wish->by_signal && wish->sample == 0 && (wish->interval == 0 || wish->format != FORMAT_TEXT);
    enum command_exit code = process_group_find(&wish->group);
    if (code != EXIT_DONE || wish->by_signal) {
        return code == EXIT_DONE ? stat_ask_all(&wish->group) : code;
    }
    struct traffic traffic;
    code = wish->sample > 0 ? sampling_run(&wish->group, wish->sample, &traffic) : process_group_take(&wish->group);
    return code == EXIT_DONE ? stat_print_group(wish, wish->sample > 0 ? &traffic : NULL) : code;
}

enum command_exit command_stat(int count, char **arguments)
{
    static struct stat_wish wish;
    command_parse(&(struct command_line){.name = "stat", .take = stat_take, .input = &wish}, count, arguments);
    if (wish.by_signal && wish.group.words == 0) {
        return error_report(EXIT_USAGE, "stat: --signal needs a process, a name or a unit");
    }
    if (wish.each && wish.format == FORMAT_PROMETHEUS) {
        return error_report(EXIT_USAGE, "stat: --each and --prometheus exclude each other, because the metrics of two "
                                        "processes would have the same names");
    }
    bool has_summary = wish.format == FORMAT_TEXT && !wish.wide && !wish.each && wish.interval == 0;
    if (wish.sample > 0 && !has_summary) {
        return error_report(EXIT_USAGE, "stat: --sample belongs to the summary of all processes, and excludes --each, "
                                        "--wide, --interval and the formats");
    }
    look_open(LOOK_MILLISECONDS);
    enum command_exit code = stat_do(&wish);
    while (code == EXIT_DONE && wish.interval > 0) {
        command_wait(wish.interval);
        code = stat_do(&wish);
    }
    return code;
}
