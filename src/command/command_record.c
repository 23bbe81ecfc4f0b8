/*
 * sockmalloc record: writes samples of the statistics of live processes to a file, and prints what such a file holds.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "command/process_group.h"
#include "command/recording.h"
#include "command/recording_series.h"
#include "statistics/format.h"

/* How the samples of a file are printed. */
enum record_form { RECORD_TABLES, RECORD_JSON, RECORD_TIMELINE, RECORD_CSV };

struct record_wish {
    struct process_group group;
    const char *output;
    const char *shown;
    enum record_form form;
    double interval; /* seconds */
    uint64_t count;  /* the number of samples; 0 to take samples until the process ends or a signal ends the command */
};

static const char *record_take_count(struct record_wish *wish, const char *text)
{
    char *end;
    wish->count = strtoull(text, &end, 10);
    return end != text && *end == '\0' && wish->count > 0 ? NULL : "a count is a positive number";
}

static const char *record_take(void *input, int key, const char *argument)
{
    struct record_wish *wish = input;
    switch (key) {
    case 'o':
        wish->output = argument;
        return NULL;
    case 'i':
        return command_read_interval(argument, &wish->interval);
    case 'n':
        return record_take_count(wish, argument);
    case 'S':
        wish->shown = argument;
        return NULL;
    case 'j':
        wish->form = RECORD_JSON;
        return NULL;
    case 't':
        wish->form = RECORD_TIMELINE;
        return NULL;
    case 'c':
        wish->form = RECORD_CSV;
        return NULL;
    default:
        return process_group_add_word(&wish->group, argument);
    }
}

/*
 * Lists the signals that end a recording. These signals are blocked while a sample is taken, and received between two
 * samples, so that no sample is lost or cut.
 */
static void record_list_ends(sigset_t *ends)
{
    sigemptyset(ends);
    sigaddset(ends, SIGINT);
    sigaddset(ends, SIGTERM);
    sigaddset(ends, SIGHUP);
}

/* Waits for the next sample. Returns false if a signal to end the recording came. */
static bool record_wait(double seconds)
{
    sigset_t ends;
    struct timespec time = command_time(seconds);
    record_list_ends(&ends);
    return sigtimedwait(&ends, NULL, &time) < 0;
}

static uint64_t record_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Prints the number of samples, over the line that was printed before, if stderr is a terminal. */
static void record_report_progress(const struct process_sum *sum, uint64_t samples, bool last)
{
    char name[4 * REMOTE_NAME_SIZE];
    struct text text = text_begin(name, sizeof name);
    text_add_shown(&text, sum->snapshot.program);
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\rsockmalloc: process %d (%s): %lu samples%s", sum->snapshot.process, name,
                (unsigned long)samples, last ? "\n" : "");
    }
}

static enum command_exit record_report_output(const struct record_wish *wish)
{
    return error_report(EXIT_UNWRITTEN, "%s could not be written: %s", wish->output, strerror(errno));
}

static enum command_exit record_append(const struct record_wish *wish, int file, const struct recording_sample *sample)
{
    return recording_append(file, sample, sizeof *sample) ? EXIT_DONE : record_report_output(wish);
}

/*
 * Takes a sample. The sample has the statistics and the memory, added up over all processes that the command line
 * names.
 */
static enum command_exit record_take_sample(struct record_wish *wish, struct process_sum *sum,
                                            struct remote_memory *memory)
{
    enum command_exit code = process_group_find(&wish->group);
    code = code == EXIT_DONE ? process_group_take(&wish->group) : code;
    if (code == EXIT_DONE) {
        process_group_sum(&wish->group, sum);
        *memory = (struct remote_memory){0};
        if (!process_group_add_memory(&wish->group, memory)) {
            *memory = (struct remote_memory){.resident = SNAPSHOT_UNKNOWN, .small = SNAPSHOT_UNKNOWN};
        }
    }
    return code;
}

/*
 * Writes samples until no process is left, until the count is reached, or until a signal ends the recording. When the
 * function is called, `sum` and sample->memory hold the first sample. All samples of a file have buckets of the same
 * sizes, so a later sample whose buckets have other sizes ends the recording.
 */
static enum command_exit record_sample(struct record_wish *wish, struct process_sum *sum, int file,
                                       struct recording_sample *sample)
{
    const struct bucket_plan plan = sum->plan;
    enum command_exit code = EXIT_DONE;
    bool more = true;
    while (more) {
        sample->time = record_now();
        sample->snapshot = sum->snapshot;
        code = record_append(wish, file, sample);
        sample->number += code == EXIT_DONE ? 1 : 0;
        record_report_progress(sum, sample->number, false);
        more = code == EXIT_DONE && sample->number != wish->count && record_wait(wish->interval);
        code = more ? record_take_sample(wish, sum, &sample->memory) : code;
        more = more && code == EXIT_DONE;
        if (more && memcmp(plan.capacity, sum->plan.capacity, sizeof plan.capacity) != 0) {
            code = error_report(EXIT_DONE, "a process with buckets of other sizes has joined; the recording ends");
            more = false;
        }
    }
    record_report_progress(sum, sample->number, true);
    return code;
}

static enum command_exit record_to(struct record_wish *wish, struct process_sum *sum,
                                   const struct remote_memory *memory, int file)
{
    static struct recording_sample sample;
    sample.memory = *memory;
    static struct recording_head head;
    recording_begin(&head, &sum->snapshot, &sum->plan);
    if (!recording_append(file, &head, sizeof head)) {
        enum command_exit code = record_report_output(wish);
        unlink(wish->output);
        return code;
    }
    sigset_t ends;
    record_list_ends(&ends);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    enum command_exit code = record_sample(wish, sum, file, &sample);
    if (code == EXIT_UNWRITTEN) {
        return code;
    }
    sample.time = 0; /* a sample of time 0 marks the end of the samples; its `number` says how many samples there are */
    enum command_exit ended = record_append(wish, file, &sample);
    return code == EXIT_DONE ? ended : code;
}

static enum command_exit record_processes(struct record_wish *wish)
{
    static struct process_sum sum;
    struct remote_memory memory;
    if (wish->group.words == 0) {
        return error_report(EXIT_USAGE, "record: no process is given");
    }
    if (wish->output == NULL) {
        return error_report(EXIT_USAGE, "no file to write to is given; use -o FILE");
    }
    look_open(LOOK_MILLISECONDS);
    enum command_exit code = record_take_sample(wish, &sum, &memory);
    if (code != EXIT_DONE) {
        return code;
    }
    int file = open(wish->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0) {
        return record_report_output(wish);
    }
    code = record_to(wish, &sum, &memory, file);
    close(file);
    return code;
}

/* Prints a figure of the memory as a member of a JSON object: its bytes, or null if they are unknown. */
static void record_add_bytes(const char *name, uint64_t bytes, struct text *text)
{
    if (bytes == SNAPSHOT_UNKNOWN) {
        text_add(text, ",\"%s\":null", name);
    } else {
        text_add(text, ",\"%s\":%lu", name, (unsigned long)bytes);
    }
}

/* Prints the time of a sample, and then the sample as a table or as JSON. */
static void record_print_whole(enum format format, const struct recording_head *head,
                               const struct recording_sample *sample, struct text *text)
{
    uint64_t milliseconds = sample->time / 1000000;
    text_add(text, format == FORMAT_JSON ? "{\"time\":%lu.%lu%lu%lu" : "at %lu.%lu%lu%lu\n",
             (unsigned long)(milliseconds / 1000), (unsigned long)(milliseconds / 100 % 10),
             (unsigned long)(milliseconds / 10 % 10), (unsigned long)(milliseconds % 10));
    if (format == FORMAT_JSON) {
        record_add_bytes("rss", sample->memory.resident, text);
        record_add_bytes("small", sample->memory.small, text);
        text_add(text, ",\"statistics\":");
    }
    format_print(format, &sample->snapshot, &head->plan, text);
    if (format == FORMAT_JSON) {
        /* removes the line end that format_print wrote, because the JSON object around the statistics is still open */
        text->used--;
        text_add(text, "}\n");
    }
    format_print_end(format, &sample->snapshot, text);
}

static enum command_exit record_print(const struct record_wish *wish, const struct recording_head *head,
                                      const struct recording_sample *sample, const struct recording_sample *former)
{
    static char buffer[FORMAT_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    if (wish->form == RECORD_TIMELINE) {
        recording_print_step(sample, former, &text);
    } else if (wish->form == RECORD_CSV) {
        recording_print_csv(head, sample, former == NULL, &text);
    } else {
        record_print_whole(wish->form == RECORD_JSON ? FORMAT_JSON : FORMAT_TEXT, head, sample, &text);
    }
    return command_write(buffer, text.used);
}

static enum command_exit record_show_from(const struct record_wish *wish, FILE *file)
{
    static struct recording_head head;
    static struct recording_sample sample;
    static struct recording_sample former;
    bool has_former = false;
    enum recording_state state;
    enum command_exit code = recording_open(file, wish->shown, &head);
    while (code == EXIT_DONE && (state = recording_next(file, &head, &sample)) != RECORDING_END) {
        if (state == RECORDING_TRUNCATED) {
            return error_report(EXIT_DAMAGED, "%s is truncated: %lu whole samples", wish->shown,
                                (unsigned long)sample.number);
        }
        code = record_print(wish, &head, &sample, has_former ? &former : NULL);
        former = sample;
        has_former = true;
    }
    return code;
}

static enum command_exit record_show(const struct record_wish *wish)
{
    FILE *file = fopen(wish->shown, "re");
    if (file == NULL) {
        return error_report(EXIT_DAMAGED, "%s can't be read: %s", wish->shown, strerror(errno));
    }
    enum command_exit code = record_show_from(wish, file);
    fclose(file);
    return code;
}

enum command_exit command_record(int count, char **arguments)
{
    static struct record_wish wish = {.interval = 1};
    command_parse(&(struct command_line){.name = "record", .take = record_take, .input = &wish}, count, arguments);
    if (wish.form != RECORD_TABLES && wish.shown == NULL) {
        return error_report(EXIT_USAGE, "record: --json, --timeline and --csv belong to --show");
    }
    return wish.shown != NULL ? record_show(&wish) : record_processes(&wish);
}
