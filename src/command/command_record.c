/*
 * sockmalloc record: writes samples of the statistics of a live process to a file, and prints what such a file holds.
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
#include "command/recording.h"
#include "statistics/format.h"

struct record_wish {
    const char *whose;
    const char *output;
    const char *shown;
    enum format format;
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
        wish->format = FORMAT_JSON;
        return NULL;
    default:
        return command_take_process(&wish->whose, argument);
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
static void record_report_progress(const struct remote_process *target, uint64_t samples, bool last)
{
    char name[4 * REMOTE_NAME_SIZE];
    struct text text = text_begin(name, sizeof name);
    text_add_shown(&text, target->name);
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\rsockmalloc: process %d (%s): %lu samples%s", target->process, name, (unsigned long)samples,
                last ? "\n" : "");
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
 * Writes samples until the process ends, the count is reached or a signal to end comes. `sample` holds the first one,
 * which has been taken.
 */
static enum command_exit record_sample(const struct record_wish *wish, struct remote_process *target, int file,
                                       struct recording_sample *sample)
{
    enum remote_process_state state = REMOTE_READ;
    enum command_exit code = EXIT_DONE;
    bool more = true;
    while (more) {
        sample->time = record_now();
        code = record_append(wish, file, sample);
        sample->number += code == EXIT_DONE ? 1 : 0;
        record_report_progress(target, sample->number, false);
        more = code == EXIT_DONE && sample->number != wish->count && record_wait(wish->interval);
        state = more ? look_take(target, &sample->snapshot) : REMOTE_READ;
        more = more && state == REMOTE_READ;
    }
    record_report_progress(target, sample->number, true);
    return state == REMOTE_READ ? code : remote_process_report(target, state);
}

static enum command_exit record_to(const struct record_wish *wish, struct remote_process *target, int file)
{
    static struct recording_sample sample;
    static struct recording_head head;
    enum remote_process_state state = look_take(target, &sample.snapshot);
    if (state != REMOTE_READ) {
        unlink(wish->output);
        return remote_process_report(target, state);
    }
    recording_begin(&head, &sample.snapshot);
    if (!recording_append(file, &head, sizeof head)) {
        enum command_exit code = record_report_output(wish);
        unlink(wish->output);
        return code;
    }
    sigset_t ends;
    record_list_ends(&ends);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    enum command_exit code = record_sample(wish, target, file, &sample);
    if (code == EXIT_UNWRITTEN) {
        return code;
    }
    sample.time = 0; /* time 0 marks the end of the samples; `number` is how many there are */
    enum command_exit ended = record_append(wish, file, &sample);
    return code == EXIT_DONE ? ended : code;
}

static enum command_exit record_process(const struct record_wish *wish)
{
    struct remote_process target;
    int process = command_read_process(wish->whose);
    if (process == 0) {
        return EXIT_USAGE;
    }
    if (wish->output == NULL) {
        return error_report(EXIT_USAGE, "no file to write to is given; use -o FILE");
    }
    look_open(LOOK_MILLISECONDS);
    remote_process_open(&target, process);
    enum remote_process_state state = look_find(&target);
    if (state != REMOTE_READ) {
        return remote_process_report(&target, state);
    }
    int file = open(wish->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0) {
        return record_report_output(wish);
    }
    enum command_exit code = record_to(wish, &target, file);
    close(file);
    return code;
}

static enum command_exit record_print(const struct record_wish *wish, const struct recording_head *head,
                                      const struct recording_sample *sample)
{
    static char buffer[FORMAT_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    uint64_t milliseconds = sample->time / 1000000;
    text_add(&text, wish->format == FORMAT_JSON ? "{\"time\":%lu.%lu%lu%lu,\"statistics\":" : "at %lu.%lu%lu%lu\n",
             (unsigned long)(milliseconds / 1000), (unsigned long)(milliseconds / 100 % 10),
             (unsigned long)(milliseconds / 10 % 10), (unsigned long)(milliseconds % 10));
    format_print(wish->format, &sample->snapshot, &head->plan, &text);
    if (wish->format == FORMAT_JSON) {
        /* removes the line end that format_print wrote, because the JSON object around the statistics is still open */
        text.used--;
        text_add(&text, "}\n");
    }
    format_print_end(wish->format, &sample->snapshot, &text);
    return command_write(buffer, text.used);
}

static enum command_exit record_show_from(const struct record_wish *wish, FILE *file)
{
    static struct recording_head head;
    static struct recording_sample sample;
    enum recording_state state;
    enum command_exit code = recording_open(file, wish->shown, &head);
    while (code == EXIT_DONE && (state = recording_next(file, &head, &sample)) != RECORDING_END) {
        if (state == RECORDING_TRUNCATED) {
            return error_report(EXIT_DAMAGED, "%s is truncated: %lu whole samples", wish->shown,
                                (unsigned long)sample.number);
        }
        code = record_print(wish, &head, &sample);
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
    struct record_wish wish = {.interval = 1};
    command_parse(&(struct command_line){.name = "record", .take = record_take, .input = &wish}, count, arguments);
    return wish.shown != NULL ? record_show(&wish) : record_process(&wish);
}
