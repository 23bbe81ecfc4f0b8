/* sockmalloc advise: says if the pools are worth while in a server, and which settings would save memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/advise.h"
#include "command/advise_source.h"
#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "command/process_group.h"
#include "command/report_file.h"
#include "command/sampling.h"

enum advise_form { ADVISE_TEXT, ADVISE_JSON, ADVISE_LINES };

struct advise_wish {
    struct process_group group;
    const char *file;
    double sample; /* seconds for which requests of all sizes are watched; 0 if they are not */
    enum advise_form form;
};

/* Returns true if the word names a file and not a process. */
static bool advise_is_file(const char *word)
{
    struct stat status;
    bool is_there = stat(word, &status) == 0 && !S_ISDIR(status.st_mode);
    return strchr(word, '/') != NULL || (is_there && word[strspn(word, "0123456789")] != '\0');
}

static const char *advise_take(void *input, int key, const char *argument)
{
    struct advise_wish *wish = input;
    switch (key) {
    case 'a':
        wish->form = ADVISE_LINES;
        return NULL;
    case 'j':
        wish->form = ADVISE_JSON;
        return NULL;
    case 'S':
        return sampling_read(argument, &wish->sample);
    default:
        if (advise_is_file(argument)) {
            bool is_second = wish->file != NULL;
            wish->file = argument;
            return is_second ? "more than one file is given" : NULL;
        }
        return process_group_add_word(&wish->group, argument);
    }
}

static enum command_exit advise_write(const struct advise_wish *wish, const struct advise_result *result)
{
    static char buffer[sizeof *result * 4];
    struct text text = text_begin(buffer, sizeof buffer);
    if (wish->form == ADVISE_JSON) {
        advise_print_json(result, &text);
    } else {
        (wish->form == ADVISE_TEXT ? advise_print : advise_print_lines)(result, &text);
    }
    return command_write(buffer, text.used);
}

static enum command_exit advise_from_file(const struct advise_wish *wish)
{
    static struct report_sources sources;
    static struct advise_result result;
    if (wish->group.words > 0 || wish->sample > 0) {
        return error_report(EXIT_USAGE, "advise: a file excludes processes and --sample");
    }
    enum command_exit code = report_file_add(&sources, wish->file);
    for (unsigned i = 0; i < sources.count && code == EXIT_DONE; i++) {
        advise_source_judge(&sources.source[i], &result);
        code = advise_write(wish, &result);
    }
    return code;
}

/* Figures that are added up over all processes, in addition to the sum of their snapshots. */
struct advise_sums {
    struct remote_sizes sizes;
    struct remote_memory memory;
    struct snapshot_figures former;
    unsigned threads;
    bool has_former;
    bool has_sizes;
    bool has_memory;
};

static void advise_add_member(struct group_member *member, struct advise_sums *sums)
{
    static struct remote_sizes sizes;
    struct remote_memory memory = {0};
    sums->has_former = sums->has_former && member->has_former;
    sums->former.requests += member->former.requests;
    sums->former.returned += member->former.returned;
    struct remote_process_status status;
    sums->threads += remote_process_status(member->target.process, &status) ? status.threads : 0;
    sums->has_memory = look_at_memory(&member->target, &memory) == REMOTE_READ && sums->has_memory;
    sums->memory.resident += memory.resident;
    sums->memory.small += memory.small;
    sums->has_sizes = look_at_sizes(&member->target, &sizes) == REMOTE_READ && sums->has_sizes;
    remote_sizes_add(&sums->sizes, &sizes);
}

static enum command_exit advise_on_group(struct advise_wish *wish, const struct traffic *sampled)
{
    static struct process_sum sum;
    static struct advise_result result;
    static struct advise_sums sums = {.has_former = true, .has_sizes = true, .has_memory = true};
    struct traffic traffic = {0};
    process_group_sum(&wish->group, &sum);
    for (unsigned i = 0; i < wish->group.count; i++) {
        if (wish->group.member[i]->is_read) {
            advise_add_member(wish->group.member[i], &sums);
        }
    }
    if (sampled == NULL && sum.options.number[OPTION_SAMPLE_SMALL] != 0) {
        traffic_add(&traffic, &sum.snapshot, NULL, &sum.plan);
        sampled = &traffic;
    }
    const struct advise_facts facts = {.snapshot = &sum.snapshot,
                                       .former = sums.has_former ? &sums.former : NULL,
                                       .plan = &sum.plan,
                                       .settings = &sum.options,
                                       .memory = sums.has_memory ? &sums.memory : NULL,
                                       .traffic = sampled,
                                       .sizes = sums.has_sizes ? &sums.sizes : NULL,
                                       .threads = sums.threads,
                                       .processors = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    advise_judge(&facts, &result);
    return advise_write(wish, &result);
}

static enum command_exit advise_from_processes(struct advise_wish *wish)
{
    struct traffic traffic;
    look_open(LOOK_MILLISECONDS);
    enum command_exit code = process_group_find(&wish->group);
    if (code == EXIT_DONE && wish->sample > 0) {
        code = sampling_run(&wish->group, wish->sample, &traffic);
    } else if (code == EXIT_DONE) {
        /* a second reading, one second later, shows if the program is idle */
        code = process_group_take(&wish->group);
        command_wait(1);
        code = code == EXIT_DONE ? process_group_take(&wish->group) : code;
    }
    return code == EXIT_DONE ? advise_on_group(wish, wish->sample > 0 ? &traffic : NULL) : code;
}

enum command_exit command_advise(int count, char **arguments)
{
    static struct advise_wish wish;
    command_parse(&(struct command_line){.name = "advise", .take = advise_take, .input = &wish}, count, arguments);
    if (wish.file == NULL && wish.group.words == 0) {
        return error_report(EXIT_USAGE, "advise: neither a process nor a file is given");
    }
    return wish.file != NULL ? advise_from_file(&wish) : advise_from_processes(&wish);
}
