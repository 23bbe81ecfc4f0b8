/*
 * Starts a program with the library preloaded: reads the options of the command line, makes the environment of the
 * program, and executes the program.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/launch.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/error.h"
#include "command/library_path.h"
#include "command/preload_check.h"
#include "command/sampling.h"
#include "config/option.h"

static const struct setting settings[OPTION_COUNT] = {
#define LAUNCH_SETTING(name, kind, initial, minimum, maximum, help) {SETTING_##kind, minimum, maximum},
    OPTION_ROWS(LAUNCH_SETTING)
#undef LAUNCH_SETTING
};

static const char *const defaults[OPTION_COUNT] = {
#define LAUNCH_DEFAULT(name, kind, initial, minimum, maximum, help) initial,
    OPTION_ROWS(LAUNCH_DEFAULT)
#undef LAUNCH_DEFAULT
};

/*
 * The groups in which --help lists the settings. A group begins with the setting that its row names, and ends where the
 * next group begins.
 */
static const struct {
    enum option first;
    const char *heading;
} groups[] = {{OPTION_MIN, "Which requests the pools serve:"},
              {OPTION_POOL, "Caches of free slots:"},
              {OPTION_RETAIN, "When memory goes back to the kernel:"},
              {OPTION_AUTO_THREADS, "For single kinds of pool:"},
              {OPTION_PROFILE, "The library as a whole:"},
              {OPTION_SIGNAL, "Statistics:"}};

enum { NAME_SIZE = 24, HELP_SIZE = 256, GROUPS = sizeof groups / sizeof groups[0] };

/* Stores in `name` the name of a setting as it is typed as an option: "SOCKMALLOC_STATS_AT_EXIT" becomes
 * "stats-at-exit". */
static void launch_name(const char *variable, char name[NAME_SIZE])
{
    const char *from = variable + sizeof "SOCKMALLOC_" - 1;
    size_t length = 0;
    for (; from[length] != '\0' && length + 1 < NAME_SIZE; length++) {
        name[length] = from[length] == '_' ? '-' : (char)tolower((unsigned char)from[length]);
    }
    name[length] = '\0';
}

/* Writes the help of a setting. Adds its default, and the values that it takes unless the setting is a switch or a
 * path. */
static void launch_help(enum option option, char help[HELP_SIZE])
{
    struct text text = text_begin(help, HELP_SIZE);
    text_add(&text, "%s", option_help(option));
    if (settings[option].kind != SETTING_SWITCH && settings[option].kind != SETTING_PATH) {
        text_add(&text, "; takes ");
        setting_describe(&settings[option], &text);
    }
    if (defaults[option][0] != '\0') {
        text_add(&text, "; default %s", defaults[option]);
    }
}

/* Returns the number of the group that a setting belongs to. The first group has number 1. */
static int launch_group(enum option option)
{
    int group = 0;
    while (group < GROUPS && groups[group].first <= option) {
        group++;
    }
    return group;
}

/* Returns an array with an option for each setting. An entry without a name ends the array. */
static const struct command_option *launch_options(void)
{
    static char names[OPTION_COUNT][NAME_SIZE];
    static char helps[OPTION_COUNT][HELP_SIZE];
    static struct command_option rows[OPTION_COUNT + GROUPS + 1];
    for (int i = 0; i < OPTION_COUNT; i++) {
        launch_name(option_variable((enum option)i), names[i]);
        launch_help((enum option)i, helps[i]);
        rows[i] = (struct command_option){.name = names[i],
                                          .key = COMMAND_LONG_ONLY + i,
                                          .argument = "VALUE",
                                          .may_lack = settings[i].kind == SETTING_SWITCH,
                                          .help = helps[i],
                                          .group = launch_group((enum option)i)};
    }
    for (int i = 0; i < GROUPS; i++) {
        rows[OPTION_COUNT + i] = (struct command_option){.name = "", .help = groups[i].heading, .group = i + 1};
    }
    return rows;
}

/*
 * Sets the environment variable of a setting. Returns NULL, or a text that says what is wrong. A bad value is an error
 * here, although the library only warns of it, because the user who typed the value is waiting for the result.
 */
static const char *launch_set(enum option option, const char *value)
{
    static char fault[256];
    uint64_t number;
    if (setting_read(&settings[option], value, &number)) {
        return setenv(option_variable(option), value, 1) == 0 ? NULL : "no memory for the environment";
    }
    char name[NAME_SIZE];
    launch_name(option_variable(option), name);
    struct text text = text_begin(fault, sizeof fault);
    text_add(&text, "--%s=%s: not ", name, value);
    setting_describe(&settings[option], &text);
    return fault;
}

static const char *launch_take(void *input, int key, const char *argument)
{
    struct launch *launch = input;
    if (key == 'L') {
        launch->library = library_path_named(argument);
    } else if (key == 'S') {
        return sampling_read(argument, &launch->sample);
    } else if (key >= COMMAND_LONG_ONLY) {
        return launch_set((enum option)(key - COMMAND_LONG_ONLY), argument != NULL ? argument : "1");
    } else {
        launch->program = launch->arguments;
        while (*launch->program != argument) {
            launch->program++;
        }
    }
    return NULL;
}

enum command_exit launch_parse(struct launch *launch, const char *name, int count, char **arguments)
{
    *launch = (struct launch){.arguments = arguments, .library = library_path_own()};
    command_parse(
        &(struct command_line){
            .name = name, .take = launch_take, .input = launch, .more = launch_options(), .stops_behind = true},
        count, arguments);
    return launch->program != NULL
               ? EXIT_DONE
               : error_report(EXIT_USAGE, "%s: no program is given; see sockmalloc %s --help", name, name);
}

enum command_exit launch_judge(const struct launch *launch)
{
    enum command_exit code = preload_check_judge_library(launch->library);
    return code == EXIT_DONE ? preload_check_judge(launch->program[0], launch->library) : code;
}

static bool launch_preload(const struct launch *launch)
{
    const char *others = getenv("LD_PRELOAD");
    char *all = NULL;
    bool alone = others == NULL || others[0] == '\0';
    bool made = asprintf(&all, "%s%s%s", launch->library, alone ? "" : ":", alone ? "" : others) >= 0;
    bool set = made && setenv("LD_PRELOAD", all, 1) == 0;
    if (made) {
        free(all);
    }
    return set;
}

enum command_exit launch_execute(const struct launch *launch)
{
    if (!launch_preload(launch)) {
        return error_report(EXIT_REFUSED, "LD_PRELOAD can't be set: %s", strerror(errno));
    }
    execvp(launch->program[0], launch->program);
    return error_report(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s can't be executed: %s",
                        launch->program[0], strerror(errno));
}
