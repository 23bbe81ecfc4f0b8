/*
 * sockmalloc systemd: prints a file that makes a unit of systemd preload the library, and remarks on the unit's own
 * settings that matter to the library.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/command.h"
#include "command/error.h"
#include "command/library_path.h"

/* A remark on a setting of the unit. The remark is printed if the value of the setting contains `word`, which may
 * be empty. */
struct remark {
    const char *setting;
    const char *word;
    const char *text;
};

static const struct remark remarks[] = {
    {"SystemCallFilter", "",
     "works: the library makes only system calls of @system-service. In statistics that the server\n"
     "#   writes itself, resident bytes are then unknown; `sockmalloc stat` knows them."},
    {"PrivateTmp", "", "a file of statistics may lie in the unit's own /tmp. `sockmalloc stat` needs no file."},
    {"RuntimeDirectory", "", "statistics that the server writes itself go there, unless its stderr is the journal."},
    {"StandardError", "null", "statistics that the server writes itself are lost, unless RuntimeDirectory= is set."},
    {"ProtectHome", "", "the library must not lie below /home, /root or /run/user."},
    {"RootDirectory", "", "the library, and libmimalloc, must lie inside that directory."},
    {"RootImage", "", "the library, and libmimalloc, must lie inside that image."},
    {"AppArmorProfile", "", "the profile must let the server map the library. `sockmalloc check` says if it did."},
    {"SELinuxContext", "", "the policy must let the server map the library. `sockmalloc check` says if it did."},
    {"MemoryMax", "", "the library gives free memory back early when that limit comes near."},
    {"MemoryHigh", "", "the library gives free memory back early when that limit comes near."},
    {"Environment",
     "LD_PRELOAD=", "the unit preloads something already. Write both libraries, with a colon between them."},
    {"UnsetEnvironment", "LD_PRELOAD", "the unit removes LD_PRELOAD, so the library would not be loaded."},
    {"KillSignal", "USR1", "the server gets SIGUSR1 at its end. Add Environment=SOCKMALLOC_SIGNAL=off."},
    {"ExecReload", "USR1",
     "the server gets SIGUSR1, and writes statistics at each. Add Environment=SOCKMALLOC_SIGNAL=off."},
};

enum { REMARKS = sizeof remarks / sizeof *remarks, UNIT_SIZE = 256, LINE_SIZE = 4096 };

struct systemd_wish {
    const char *unit;
    const char *library;
};

static const char *systemd_take(void *input, int key, const char *argument)
{
    struct systemd_wish *wish = input;
    if (key == 'L') {
        wish->library = library_path_named(argument);
        return NULL;
    }
    if (wish->unit != NULL) {
        return "more than one unit is given";
    }
    wish->unit = argument;
    return NULL;
}

/* Returns true if the text has only characters that need no quotes in a unit file. */
static bool is_plain(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.@/+-";
    return text[0] != '\0' && text[0] != '-' && text[strspn(text, plain)] == '\0';
}

static void print_remarks(const char *line)
{
    for (size_t i = 0; i < REMARKS; i++) {
        const struct remark *remark = &remarks[i];
        size_t length = strlen(remark->setting);
        bool is_set = strncmp(line, remark->setting, length) == 0 && line[length] == '=' && line[length + 1] != '\n';
        if (is_set && strstr(line + length, remark->word) != NULL) {
            printf("# %s: %s\n", remark->setting, remark->text);
        }
    }
}

/*
 * Starts `systemctl cat UNIT`, which prints the unit with all its drop-in files. Returns a stream of this output and
 * stores the id of the process, or returns NULL.
 */
static FILE *start_systemctl(const char *unit, pid_t *process)
{
    char *command[] = {"systemctl", "cat", "--", (char *)unit, NULL};
    int pipe_ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
        return NULL;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int fault = posix_spawnp(process, command[0], &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);
    FILE *lines = fault == 0 ? fdopen(pipe_ends[0], "r") : NULL;
    if (lines == NULL) {
        close(pipe_ends[0]);
    }
    return lines;
}

/* Prints the remarks on a unit. Returns false if the unit does not exist, or if systemctl is not installed. */
static bool judge_unit(const char *unit)
{
    char line[LINE_SIZE];
    pid_t process;
    int status;
    FILE *lines = start_systemctl(unit, &process);
    if (lines == NULL) {
        return false;
    }
    while (fgets(line, sizeof line, lines) != NULL) {
        print_remarks(line);
    }
    fclose(lines);
    return waitpid(process, &status, 0) == process && status == 0;
}

enum command_exit command_systemd(int count, char **arguments)
{
    struct systemd_wish wish = {.library = library_path_own()};
    char unit[UNIT_SIZE];
    command_parse(&(struct command_line){.name = "systemd", .take = systemd_take, .input = &wish}, count, arguments);
    if (wish.unit == NULL) {
        return error_report(EXIT_USAGE, "systemd: no unit is given");
    }
    if (!is_plain(wish.unit) || strchr(wish.unit, '/') != NULL || strlen(wish.unit) > UNIT_SIZE / 2) {
        return error_report(EXIT_USAGE, "systemd: %s is not the name of a unit", wish.unit);
    }
    if (!is_plain(wish.library) || wish.library[0] != '/' || access(wish.library, R_OK) != 0) {
        return error_report(EXIT_USAGE, "systemd: %s is no library that a unit can name", wish.library);
    }
    snprintf(unit, sizeof unit, "%s%s", wish.unit, strchr(wish.unit, '.') != NULL ? "" : ".service");
    printf("# Write these lines to /etc/systemd/system/%s.d/sockmalloc.conf, then run\n"
           "#   systemctl daemon-reload && systemctl restart %s\n"
           "# To leave, remove the file and run the same.\n",
           unit, unit);
    if (!judge_unit(unit)) {
        printf("# The unit's own settings are not judged, because `systemctl cat %s` failed.\n", unit);
    }
    puts("# Statistics that a server writes itself go to the journal. If it closes its stderr, they go to a file in\n"
         "# /run/sockmalloc if that folder exists, or below it with RuntimeDirectory=sockmalloc/%n.");
    printf("[Service]\nEnvironment=LD_PRELOAD=%s\n", wish.library);
    return fflush(stdout) == 0 ? EXIT_DONE : error_report(EXIT_UNWRITTEN, "the output could not be written");
}
