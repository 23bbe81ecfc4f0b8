/* The main function of the command: calls the subcommand that the first argument names. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "base/similar.h"
#include "command/command.h"
#include "command/command_version.h"
#include "command/error.h"

static const struct {
    const char *name;
    const char *help;
    enum command_exit (*run)(int count, char **arguments);
} commands[] = {
#define COMMAND_ROW(name, arguments, help) {#name, help, command_##name},
    COMMAND_ROWS(COMMAND_ROW)
#undef COMMAND_ROW
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

/*
 * The groups in which --help lists the subcommands. A group begins with the subcommand `first` and ends before the next
 * group.
 */
static const struct {
    const char *first;
    const char *heading;
} groups[] = {{"run", "Start a server with the library:"},
              {"list", "Look at running servers. PROCESS is a process id, a name or a unit of systemd:"},
              {"systemd", "Set a server up:"}};

enum { GROUPS = sizeof groups / sizeof groups[0], HELP_WIDTH = 79 };

/* Prints words, and begins a new line where a word would end beyond HELP_WIDTH. `column` is where the words begin in
 * each line. */
static void print_words(const char *words, int column)
{
    int at = column;
    while (*words != '\0') {
        int length = (int)strcspn(words, " ");
        if (at > column && at + length > HELP_WIDTH) {
            printf("\n%*s", column, "");
            at = column;
        }
        printf("%.*s", length, words);
        at += length + 1;
        words += length;
        words += strspn(words, " ");
        fputs(*words != '\0' && at + (int)strcspn(words, " ") <= HELP_WIDTH ? " " : "", stdout);
    }
    puts("");
}

static void print_exit(int code, const char *when)
{
    printf("  %3d  ", code);
    print_words(when, 7);
}

static enum command_exit print_help(void)
{
    puts("usage: sockmalloc COMMAND [OPTION...] [ARGUMENT...]");
    for (int i = 0, group = 0; i < COMMANDS; i++) {
        if (group < GROUPS && strcmp(groups[group].first, commands[i].name) == 0) {
            printf("\n%s\n", groups[group++].heading);
        }
        printf("  %-9s ", commands[i].name);
        print_words(commands[i].help, 12);
    }
    puts("");
    print_words(
        "sockmalloc --version [LIBRARY] says how the command was built, and with which mimalloc the library runs.", 0);
    print_words("sockmalloc COMMAND --help lists the options of a command. The exit codes are:", 0);
#define PRINT_EXIT(name, code, when) print_exit(code, when);
    COMMAND_EXIT_ROWS(PRINT_EXIT)
#undef PRINT_EXIT
    return fflush(stdout) == 0 ? EXIT_DONE : error_report(EXIT_UNWRITTEN, "the output could not be written");
}

int main(int count, char **arguments)
{
    const char *word = count > 1 ? arguments[1] : "";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        return (int)print_help();
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        return (int)command_version(arguments[2]);
    }
    if (strcmp(word, COMMAND_VERSION_PRELOADED) == 0) {
        return (int)command_version_preloaded();
    }
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, word) == 0) {
            return (int)commands[i].run(count - 1, arguments + 1);
        }
    }
    struct similar meant = {0};
    for (int i = 0; i < COMMANDS; i++) {
        similar_try(&meant, word, commands[i].name);
    }
    if (meant.word != NULL) {
        return (int)error_report(EXIT_USAGE, "there is no command %s; did you mean %s?", word, meant.word);
    }
    return (int)error_report(EXIT_USAGE,
                             word[0] == '\0' ? "no command is given; sockmalloc --help lists the commands%s"
                                             : "there is no command %s; sockmalloc --help lists the commands",
                             word);
}
