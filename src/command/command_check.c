/* sockmalloc check: says if the library is in effect in a process, and how much it serves. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include <sys/wait.h>

#include "command/command.h"
#include "command/error.h"
#include "command/launch.h"
#include "command/look.h"
#include "command/traced_run.h"
#include "statistics/format.h"

enum { VERDICT_SIZE = 16 << 10 };

/* Prints the path of an object as the process sees it. The program itself has the path "". */
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

/* Prints which allocator serves calls by a name of its own, such as mallocx. Such calls do not reach malloc. */
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

/* Prints how the process ended. `status` is the status that waitpid returned, or -1 if the process goes on. */
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

/* Prints that the library is not loaded, which object serves malloc, and what LD_PRELOAD was. */
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
    return EXIT_NO;
}

/* Prints the share of requested bytes that the pools served, or that there was no request of their sizes. */
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

static void check_print_pools(const struct snapshot *snapshot, struct text *text)
{
    if (snapshot->buckets > 0) {
        text_add(text, "  pools    on, of the kind ");
        setting_print(SETTING_POOL, snapshot->kind, text);
        text_add(text, "\n");
        check_print_share(&snapshot->total, text);
    } else {
        text_add(text, "  pools    off: %s\n",
                 options.number[OPTION_DISABLE] != 0 ? "SOCKMALLOC_DISABLE=1"
                                                     : "there was no address space for them (ulimit -v?)");
    }
}

/*
 * Prints that objects loaded with RTLD_DEEPBIND use libc's malloc. They do so only with SOCKMALLOC_DEEPBIND=1;
 * otherwise the library removes that flag, and objects that are loaded later use the malloc that was printed before.
 */
static void check_print_deeply_bound(struct text *text)
{
    if (options.number[OPTION_DEEPBIND] != 0) {
        text_add(text, "  malloc   of objects loaded with RTLD_DEEPBIND is the C library's own: "
                       "SOCKMALLOC_DEEPBIND=1\n");
    }
}

/* Prints the state of the loaded library. The library is in effect if malloc is the library's and the pools are on. */
static enum command_exit check_print_presence(const struct remote_process *target, const struct remote_linkmap *loaded,
                                              const struct snapshot *snapshot, struct text *text)
{
    bool effective = loaded->has_view && snapshot->buckets > 0;
    check_print_process(target, text);
    text_add_shown(text, target->view.library);
    text_add(text, " is %sin effect\n  library  ", effective ? "" : "not ");
    text_add_shown(text, target->library);
    text_add(text, "\n");
    check_print_malloc(loaded, text);
    check_print_deeply_bound(text);
    check_print_foreign(loaded, text);
    check_print_pools(snapshot, text);
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
    if (is_there || state == REMOTE_WITHOUT) {
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
        look_open(LOOK_MILLISECONDS);
        return process != 0 ? check_process(process, -1) : EXIT_USAGE;
    }
    code = launch_judge(&launch);
    return code == EXIT_DONE ? traced_run_program(&launch, check_process) : code;
}
