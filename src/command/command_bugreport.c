/* sockmalloc bugreport: collects in one file what a report of a fault should have. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/bounds.h"
#include "command/command.h"
#include "command/command_version.h"
#include "command/error.h"
#include "command/look.h"
#include "command/printed_text.h"
#include "command/process_group.h"
#include "command/whole_file.h"
#include "config/sources.h"
#include "statistics/format.h"

/*
 * PROCESSES_MAX limits how many processes of a server are reported, because further ones would make the report long
 * without saying more. No further part of a file in /proc/PID is read after FILE_MAX bytes. LATE_MAX is how many reads
 * of files in /proc/PID may exceed their time limit. After LATE_MAX such reads, no further file in /proc/PID is read,
 * because processes could otherwise delay the command without limit.
 */
enum { PROCESSES_MAX = 16, FILE_MAX = 16 << 20, LATE_MAX = 3, LINE_SIZE = 4096, FILE_NAME_SIZE = 64 };

/*
 * WORDS is the most words in a struct source, which describes a file to copy into the report. A line of the file is
 * copied if it begins with one of the words. If there are no words, all lines are copied.
 */
enum { WORDS = 12 };

struct source {
    const char *file; /* in the array `machine` this is a path, and in the array `process` a name below /proc/PID */
    const char *words[WORDS];
};

static const struct source machine[] = {
    {"/etc/os-release", {"PRETTY_NAME="}},
    {"/proc/meminfo", {"MemTotal", "MemAvailable", "Swap", "CommitLimit", "Committed_AS"}},
    {"/proc/sys/vm/overcommit_memory", {NULL}},
    {"/proc/sys/vm/max_map_count", {NULL}},
    {"/sys/kernel/mm/transparent_hugepage/enabled", {NULL}},
};

static const struct source process[] = {
    {"status", {"State", "Vm", "Rss", "Threads", "Cap", "NoNewPrivs", "Seccomp", "THP", "Cpus_allowed_list"}},
    {"attr/current", {NULL}},
    {"cgroup", {NULL}},
    {"limits", {NULL}},
    {"smaps_rollup", {NULL}},
    {"maps", {NULL}},
};

/*
 * The files that hold the limits of a control group. They lie below /sys/fs/cgroup/PATH, where PATH is the group's
 * path.
 */
static const char *const cgroup_files[] = {"memory.max", "memory.high", "memory.current", "memory.events", "cpu.max"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct bugreport_wish {
    struct process_group group;
    const char *output;
    bool with_arguments;
};

static const char *bugreport_take(void *input, int key, const char *argument)
{
    struct bugreport_wish *wish = input;
    switch (key) {
    case 'o':
        wish->output = argument;
        return NULL;
    case 'a':
        wish->with_arguments = true;
        return NULL;
    default:
        return process_group_add_word(&wish->group, argument);
    }
}

static void add_heading(FILE *report, const char *words)
{
    fprintf(report, "\n== %s ==\n", words);
}

/* Adds a line that another user may have written. Unprintable bytes are printed as escapes, and tabs as blanks. */
static void add_line(FILE *report, char *line)
{
    char shown[4 * LINE_SIZE];
    struct text text = text_begin(shown, sizeof shown);
    for (char *tab = strchr(line, '\t'); tab != NULL; tab = strchr(tab, '\t')) {
        *tab = ' ';
    }
    text_add_shown(&text, line);
    fprintf(report, "%s\n", shown);
}

static bool begins_with_one(const char *line, const char *const words[WORDS])
{
    for (unsigned i = 0; i < WORDS && words[i] != NULL; i++) {
        if (strncmp(line, words[i], strlen(words[i])) == 0) {
            return true;
        }
    }
    return words[0] == NULL;
}

/* Adds those lines of a text that begin with one of the words, or all lines if there are no words. Changes the text,
 * because it is cut into lines. */
static void add_lines(FILE *report, char *text, const char *const words[WORDS])
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (begins_with_one(line, words)) {
            add_line(report, line);
        }
    }
}

/* Adds lines of the first LINE_SIZE - 1 bytes of a file that describes the machine. This process reads the file itself,
 * without a time limit, because no other process can delay the read. */
static void add_machine_file(FILE *report, const char *path, const char *const words[WORDS])
{
    char text[LINE_SIZE];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    fprintf(report, "-- %s\n", path);
    add_lines(report, text, words);
}

static void add_machine(FILE *report)
{
    struct utsname name;
    add_heading(report, "machine");
    if (uname(&name) == 0) {
        fprintf(report, "kernel %s %s %s %s\n", name.sysname, name.release, name.version, name.machine);
    }
    fprintf(report, "the command's C library: glibc %s\n", gnu_get_libc_version());
    for (unsigned i = 0; i < COUNT(machine); i++) {
        add_machine_file(report, machine[i].file, machine[i].words);
    }
}

/*
 * Reads a file of /proc/PID: the whole file, or little more than FILE_MAX bytes of a longer one. Returns the text,
 * which ends with a NUL and which the caller frees, and stores the size of the text. Returns NULL if the file cannot be
 * read, or if LATE_MAX reads have exceeded their time limit already.
 */
static char *read_process_file(struct remote_process *target, const char *name, size_t *size)
{
    static struct look_file part;
    static unsigned late;
    enum remote_process_state state = REMOTE_LATE;
    struct printed_text whole;
    if (!printed_text_begin(&whole)) {
        return NULL;
    }
    for (part.offset = 0, part.size = 1; late < LATE_MAX && part.size > 0 && part.offset < FILE_MAX;) {
        state = look_read_file(target, name, &part);
        late += state == REMOTE_LATE ? 1 : 0;
        if (state != REMOTE_READ) {
            break;
        }
        fwrite(part.text, 1, part.size, whole.file);
        part.offset += part.size;
    }
    if (printed_text_end(&whole) != EXIT_DONE) {
        return NULL;
    }
    if (state != REMOTE_READ) {
        free(whole.text);
        return NULL;
    }
    *size = whole.size;
    return whole.text;
}

static void add_process_file(FILE *report, struct remote_process *target, const struct source *source)
{
    size_t size;
    char *text = read_process_file(target, source->file, &size);
    fprintf(report, "-- /proc/%d/%s%s\n", target->process, source->file, text == NULL ? ": cannot be read" : "");
    if (text != NULL) {
        add_lines(report, text, source->words);
    }
    free(text);
}

/* Adds the limits of the process's control group. In /proc/PID/cgroup the line of cgroup version 2 is "0::PATH". */
static void add_cgroup(FILE *report, struct remote_process *target)
{
    static const char *const all[WORDS] = {NULL};
    size_t size;
    char path[LINE_SIZE];
    char *text = read_process_file(target, "cgroup", &size);
    char *group = text != NULL ? strstr(text, "0::/") : NULL;
    if (group != NULL) {
        group += strlen("0::");
        group[strcspn(group, "\n")] = '\0';
        for (unsigned i = 0; i < COUNT(cgroup_files); i++) {
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", group, cgroup_files[i]);
            add_machine_file(report, path, all);
        }
    }
    free(text);
}

/* Adds the first argument of the process, or all arguments. In /proc/PID/cmdline each argument ends with a NUL. */
static void add_arguments(FILE *report, struct remote_process *target, bool all)
{
    size_t size;
    char *text = read_process_file(target, "cmdline", &size);
    for (size_t at = 0; text != NULL && at < size && (at == 0 || all); at += strlen(text + at) + 1) {
        fputs(at == 0 ? "program: " : "argument: ", report);
        add_line(report, text + at);
    }
    free(text);
}

/* Adds the environment variables of the library and of other allocators, and no other variables. */
static void add_environment(FILE *report, struct remote_process *target)
{
    static const char *const words[WORDS] = {"SOCKMALLOC_", "MALLOC_"};
    size_t size;
    fputs("-- variables SOCKMALLOC_* and MALLOC_* of the environment\n", report);
    char *text = read_process_file(target, "environ", &size);
    for (size_t at = 0; text != NULL && at < size; at += strlen(text + at) + 1) {
        if (begins_with_one(text + at, words)) {
            add_line(report, text + at);
        }
    }
    free(text);
}

/* Adds each setting in force in the process that the report describes, and where the setting comes from, for example
 * from the environment. The caller has stored that process's settings in the global `options`. */
static void add_settings(FILE *report)
{
    char line[LINE_SIZE];
    fputs("-- settings in force, and where each was set\n", report);
    for (unsigned option = 0; option < OPTION_COUNT; option++) {
        struct text text = text_begin(line, sizeof line);
        text_add(&text, "%s=", option_variable((enum option)option));
        option_print(&options, (enum option)option, &text);
        bool was_changed = option_was_changed(&options, (enum option)option);
        text_add(&text, "  (%s)", was_changed ? "sockmalloc set" : sources_name(&options, (enum option)option));
        add_line(report, line);
    }
}

/* Adds the statistics of a process in the given format. */
static void add_format(FILE *report, const struct group_member *member, enum format format)
{
    static char buffer[FORMAT_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    fputs(format == FORMAT_JSON ? "-- statistics as JSON\n" : "-- statistics\n", report);
    format_print(format, member->snapshot, &member->plan, &text);
    format_print_end(format, member->snapshot, &text);
    fputs(buffer, report);
}

/*
 * Adds the messages that the library has kept, the oldest one first. If older messages were overwritten, leaves the
 * oldest remaining one out, because its beginning may be overwritten, too.
 */
static void add_messages(FILE *report, struct remote_process *target)
{
    static struct message_kept kept;
    static const char *const all[WORDS] = {NULL};
    char text[MESSAGE_KEPT + 1];
    if (look_at_messages(target, &kept) != REMOTE_READ) {
        return;
    }
    uint32_t end = atomic_load_explicit(&kept.end, memory_order_relaxed);
    uint32_t size = LESSER(end, MESSAGE_KEPT);
    for (uint32_t i = 0; i < size; i++) {
        text[i] = kept.text[(end - size + i) % MESSAGE_KEPT];
    }
    text[size] = '\0';
    char *first = end > MESSAGE_KEPT && strchr(text, '\n') != NULL ? strchr(text, '\n') + 1 : text;
    fprintf(report, "-- the last messages of the library%s\n", *first == '\0' ? ": none" : "");
    add_lines(report, first, all);
}

/* Adds a line that names the program or library whose malloc the process calls. */
static void add_malloc(FILE *report, struct remote_process *target)
{
    struct remote_linkmap loaded;
    char line[LINE_SIZE];
    if (look_find_loaded(target, &loaded) == REMOTE_READ) {
        const char *path = !loaded.known ? "the program itself: it is static" : loaded.path;
        snprintf(line, sizeof line, "malloc is served by %s", path[0] != '\0' ? path : "the program itself");
        add_line(report, line);
    }
}

/* Adds all that is known of a process. If the process could not be read, `member` is NULL, and `state` says why. */
static void add_process(FILE *report, const struct bugreport_wish *wish, struct remote_process *target,
                        enum remote_process_state state, const struct group_member *member)
{
    char words[REMOTE_WORDS];
    char line[REMOTE_WORDS + REMOTE_PATH_SIZE];
    snprintf(words, sizeof words, "process %d", target->process);
    add_heading(report, words);
    add_arguments(report, target, wish->with_arguments);
    if (member != NULL) {
        snprintf(line, sizeof line, "library: version %s, %s", target->view.library, target->library);
    } else {
        remote_process_explain(target, state, words, sizeof words);
        snprintf(line, sizeof line, "the process%s", words);
    }
    add_line(report, line);
    add_malloc(report, target);
    add_environment(report, target);
    if (member != NULL) {
        options = *member->options;
        add_settings(report);
        add_messages(report, target);
        add_format(report, member, FORMAT_TEXT);
        add_format(report, member, FORMAT_JSON);
    }
    for (unsigned i = 0; i < COUNT(process); i++) {
        add_process_file(report, target, &process[i]);
    }
    add_cgroup(report, target);
}

/* Adds the process that the command line names, if that process has not loaded the library, or if the library in it has
 * not finished its start-up. In any other state of the process, prints an error and returns its exit code. */
static enum command_exit add_foreign(FILE *report, struct bugreport_wish *wish)
{
    struct remote_process target;
    int named = wish->group.word[0].kind == PROCESS_WORD_ID ? wish->group.word[0].process : wish->group.first;
    if (named == 0) {
        return error_report(EXIT_GONE, "bugreport: %s names no process", wish->group.word[0].text);
    }
    remote_process_open(&target, named);
    enum remote_process_state state = look_find(&target);
    if (state != REMOTE_WITHOUT && state != REMOTE_UNINITIALISED) {
        return remote_process_report(&target, state == REMOTE_READ ? REMOTE_GONE : state);
    }
    add_process(report, wish, &target, state, NULL);
    return EXIT_DONE;
}

static enum command_exit add_processes(FILE *report, struct bugreport_wish *wish)
{
    struct process_group *group = &wish->group;
    group->is_silent = true;
    process_group_find(group);
    if (group->count == 0) {
        return add_foreign(report, wish);
    }
    process_group_take(group);
    for (unsigned i = 0; i < group->count && i < PROCESSES_MAX; i++) {
        struct group_member *member = group->member[i];
        add_process(report, wish, &member->target, member->state, member->is_read ? member : NULL);
    }
    if (group->count > PROCESSES_MAX) {
        fprintf(report, "\n%u more processes are left out\n", group->count - PROCESSES_MAX);
    }
    return EXIT_DONE;
}

static enum command_exit collect(FILE *report, struct bugreport_wish *wish)
{
    fputs("A report for the maintainers of sockmalloc, made by `sockmalloc bugreport`.\n"
          "It may name users and folders, in paths. Read it before you send it.\n",
          report);
    add_heading(report, "build");
    command_version_print(report);
    add_machine(report);
    return add_processes(report, wish);
}

static enum command_exit print_summary(const char *path, size_t size, const struct bugreport_wish *wish)
{
    char text[LINE_SIZE];
    unsigned count = LESSER(GREATER(wish->group.count, 1U), (unsigned)PROCESSES_MAX);
    int length = snprintf(text, sizeof text,
                          "%s: %zu bytes on %u process%s. It holds\n"
                          "  the versions and the build of the command, of the library, of the kernel and of libc,\n"
                          "  the settings and where each was set, and the variables SOCKMALLOC_* and MALLOC_*,\n"
                          "  the statistics as a table and as JSON, and the last messages of the library,\n"
                          "  mappings, limits, control group, status and security label.\n"
                          "It may hold personal data: paths and the names in them, names of programs and control\n"
                          "groups%s. It holds %sno other variable\n"
                          "of the environment, and no content of the memory.\n"
                          "Read the file before you send it.\n",
                          path, size, count, count == 1 ? "" : "es",
                          wish->with_arguments ? ", and the arguments of the command lines" : "",
                          wish->with_arguments ? "" : "no arguments of command lines (--with-arguments), ");
    return command_write(text, LESSER((size_t)length, sizeof text - 1));
}

static enum command_exit write_report(const char *path, struct bugreport_wish *wish)
{
    struct printed_text report;
    if (!printed_text_begin(&report)) {
        return EXIT_UNWRITTEN;
    }
    enum command_exit code = collect(report.file, wish);
    enum command_exit ended = printed_text_end(&report);
    code = code == EXIT_DONE ? ended : code;
    code = code == EXIT_DONE ? whole_file_write(path, report.text, report.size) : code;
    free(report.text);
    return code == EXIT_DONE ? print_summary(path, report.size, wish) : code;
}

enum command_exit command_bugreport(int count, char **arguments)
{
    static struct bugreport_wish wish;
    char own[FILE_NAME_SIZE];
    command_parse(&(struct command_line){.name = "bugreport", .take = bugreport_take, .input = &wish}, count,
                  arguments);
    if (wish.group.words != 1) {
        return error_report(EXIT_USAGE, "bugreport: one process, name or unit has to be named");
    }
    look_open(LOOK_MILLISECONDS);
    snprintf(own, sizeof own, "sockmalloc-bugreport-%s.txt", wish.group.word[0].text);
    const char *path = wish.output != NULL ? wish.output : own;
    enum command_exit code = whole_file_check(path);
    return code == EXIT_DONE ? write_report(path, &wish) : code;
}
