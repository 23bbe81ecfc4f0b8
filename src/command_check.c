/* sockmalloc check: whether the library is in effect in a process, and how much it serves. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "complaint.h"
#include "lane.h"
#include "launch.h"
#include "loaded.h"
#include "projection.h"
#include "report.h"
#include "trial.h"

enum { VERDICT_SIZE = 4096 };

/* What the process was told to preload, out of the environment that it was started with. */
static void check_read_preload(int process, char *value, size_t size)
{
    char path[32];
    char *variable = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", process);
    FILE *file = fopen(path, "re");
    value[0] = '\0';
    while (file != NULL && getdelim(&variable, &room, '\0', file) > 0) {
        if (strncmp(variable, "LD_PRELOAD=", strlen("LD_PRELOAD=")) == 0) {
            snprintf(value, size, "%s", variable + strlen("LD_PRELOAD="));
        }
    }
    free(variable);
    if (file != NULL) {
        fclose(file);
    }
}

static void check_print_malloc(const struct loaded *loaded, bool known, struct text *text)
{
    const char *whose = !known                    ? "the program itself: it is static"
                        : loaded->path[0] == '\0' ? "the program itself"
                                                  : loaded->path;
    text_add(text, "  malloc   is served by %s\n", whose);
}

/* The library is not there: what serves malloc, and how that came about. */
static enum command_exit check_print_absence(const struct target *target, struct text *text)
{
    char preload[TARGET_PATH_SIZE];
    struct loaded loaded;
    bool known = loaded_find_malloc(target, &loaded);
    check_read_preload(target->process, preload, sizeof preload);
    text_add(text, "process %d (%s): sockmalloc is not in effect\n", target->process, target->name);
    check_print_malloc(&loaded, known, text);
    if (preload[0] == '\0') {
        text_add(text, "  library  not loaded: LD_PRELOAD was not set when the program started\n");
    } else {
        text_add(text,
                 "  library  not loaded: LD_PRELOAD was %s, and either names no such file or the "
                 "program has privileges\n",
                 preload);
    }
    return EXIT_NO;
}

static void check_print_pools(const struct snapshot *snapshot, struct text *text)
{
    if (snapshot->buckets > 0) {
        text_add(text, "  pools    on, of the kind ");
        setting_print(SETTING_POOL, snapshot->kind, text);
        text_add(text, "\n  ");
        report_print_share(&snapshot->total, &projection_plan, text);
    } else {
        text_add(text, "  pools    off: %s\n",
                 options.number[OPTION_DISABLE] != 0
                     ? "SOCKMALLOC_DISABLE=1"
                     : "there was no address space for them (ulimit -v?)");
    }
}

/* Without RTLD_DEEPBIND, and so by default, all that is loaded later has the malloc that is named
 * above. */
static void check_print_deeply_bound(struct text *text)
{
    if (options.number[OPTION_DEEPBIND] != 0) {
        text_add(text, "  malloc   of what is loaded with RTLD_DEEPBIND is the C library's own: "
                       "SOCKMALLOC_DEEPBIND=1\n");
    }
}

/* The library is there: malloc must be its own, and the pools open. */
static enum command_exit check_print_presence(const struct target *target,
                                              const struct snapshot *snapshot, struct text *text)
{
    struct loaded loaded = {.has_view = false};
    bool known = loaded_find_malloc(target, &loaded);
    bool effective = loaded.has_view && snapshot->buckets > 0;
    text_add(text, "process %d (%s): sockmalloc %s is %sin effect\n", target->process, target->name,
             target->view.library, effective ? "" : "not ");
    text_add(text, "  library  %s\n", target->library);
    check_print_malloc(&loaded, known, text);
    check_print_deeply_bound(text);
    check_print_pools(snapshot, text);
    return effective ? EXIT_DONE : EXIT_NO;
}

/* As trial_judge: what is found goes to stdout. */
static enum command_exit check_process(int process)
{
    static char buffer[VERDICT_SIZE];
    static struct snapshot snapshot;
    struct text text = text_begin(buffer, sizeof buffer);
    struct target target;
    target_open(&target, process);
    enum target_state state = target_find(&target);
    if (state == TARGET_READ) {
        state = projection_take(&target, &snapshot);
    }
    if (state != TARGET_READ && state != TARGET_WITHOUT) {
        return target_complain(&target, state);
    }
    enum command_exit verdict = state == TARGET_READ
                                    ? check_print_presence(&target, &snapshot, &text)
                                    : check_print_absence(&target, &text);
    enum command_exit written = command_write(buffer, text.used);
    return written == EXIT_DONE ? verdict : written;
}

static bool check_is_number(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0';
}

enum command_exit command_check(int count, char **arguments)
{
    struct launch launch;
    enum command_exit code = launch_parse(&launch, "check", count, arguments);
    if (code != EXIT_DONE) {
        return code;
    }
    if (launch.program[1] == NULL && check_is_number(launch.program[0])) {
        int process = command_read_process(launch.program[0]);
        return process != 0 ? check_process(process) : EXIT_USAGE;
    }
    code = launch_judge(&launch);
    return code == EXIT_DONE ? trial_run(&launch, check_process) : code;
}
