/* Prints the command's rows: for its man page, and as completions for bash and zsh. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command_rows.h"
#include "option.h"

struct command_row {
    const char *name;
    const char *arguments;
    const char *help;
};

static const struct command_row commands[] = {
#define COMMAND(name, arguments, help) {#name, arguments, help},
    COMMAND_ROWS(COMMAND)
#undef COMMAND
};

struct option_row {
    const char *command;
    const char *name;
    int letter;
    const char *argument;
    const char *help;
};

static const struct option_row rows[] = {
#define ROW(command, name, letter, argument, help) {#command, name, letter, argument, help},
    COMMAND_OPTION_ROWS(ROW)
#undef ROW
};

enum { COMMANDS = sizeof commands / sizeof commands[0], ROWS = sizeof rows / sizeof rows[0] };

/* Prints text for roff: a hyphen that is to stay one. */
static void print_escaped(const char *text)
{
    for (; *text != '\0'; text++) {
        fputs(*text == '-' ? "\\-" : (char[]){*text, '\0'}, stdout);
    }
}

/* "STATS_AT_EXIT" as the command's option. */
static void print_option_name(enum option option)
{
    for (const char *at = option_variable(option) + strlen("SOCKMALLOC_"); *at != '\0'; at++) {
        putchar(*at == '_' ? '-' : tolower((unsigned char)*at));
    }
}

/* Whether a command takes the settings as options. */
static bool takes_settings(const char *command)
{
    return strcmp(command, "run") == 0 || strcmp(command, "check") == 0;
}

static void print_manual_option(const struct option_row *row)
{
    fputs(".TP\n.B ", stdout);
    if (row->letter != 0) {
        printf("\\-%c, ", row->letter);
    }
    printf("\\-\\-%s%s%s\n", row->name, row->argument != NULL ? "=" : "",
           row->argument != NULL ? row->argument : "");
    print_escaped(row->help);
    puts(".");
}

/* The arguments of a command are lines, each a way to call it. */
static void print_manual_command(const struct command_row *row)
{
    for (const char *way = row->arguments; *way != '\0';) {
        int length = (int)strcspn(way, "\n");
        printf("%s\n.B sockmalloc %s\n%.*s\n",
               way == row->arguments ? ".SS"
                                       " "
                                     : ".br",
               row->name, length, way);
        way += length + (way[length] == '\n' ? 1 : 0);
    }
    puts(".PP");
    print_escaped(row->help);
    puts(".");
    for (int i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].command, row->name) == 0) {
            print_manual_option(&rows[i]);
        }
    }
    if (takes_settings(row->name)) {
        puts(
            ".TP\n.B \\-\\-min=VALUE, \\-\\-pool=VALUE ...\nEvery setting of\n.BR sockmalloc (7),\n"
            "in lower case and with hyphens: \\-\\-stats\\-at\\-exit is "
            "SOCKMALLOC_STATS_AT_EXIT=1.");
    }
}

static void print_commands(void)
{
    for (int i = 0; i < COMMANDS; i++) {
        print_manual_command(&commands[i]);
    }
}

static void print_exits(void)
{
#define EXIT(name, code, when)                                                                     \
    printf(".TP\n.B %d\n", code);                                                                  \
    print_escaped(when);                                                                           \
    puts(".");
    COMMAND_EXIT_ROWS(EXIT)
#undef EXIT
}

static void print_bash_options(const char *command)
{
    printf("    %s) options='--help", command);
    for (int i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].command, command) == 0) {
            printf(" --%s%s", rows[i].name, rows[i].argument != NULL ? "=" : "");
        }
    }
    for (int i = 0; takes_settings(command) && i < OPTION_COUNT; i++) {
        fputs(" --", stdout);
        print_option_name((enum option)i);
        putchar('=');
    }
    puts("' ;;");
}

static void print_bash(void)
{
    puts("# Completes sockmalloc's commands and options. Made from the rows of the command.\n"
         "_sockmalloc() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} options=''\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    fputs("        mapfile -t COMPREPLY < <(compgen -W '--help --version", stdout);
    for (int i = 0; i < COMMANDS; i++) {
        printf(" %s", commands[i].name);
    }
    puts("' -- \"$word\")\n        return\n    fi\n    case ${COMP_WORDS[1]} in");
    for (int i = 0; i < COMMANDS; i++) {
        print_bash_options(commands[i].name);
    }
    puts("    esac\n"
         "    case $word in\n"
         "    -*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\") ;;\n"
         "    *) mapfile -t COMPREPLY < <(compgen -A command -A file -- \"$word\") ;;\n"
         "    esac\n"
         "    [[ ${COMPREPLY[0]:-} != *= ]] || compopt -o nospace\n"
         "}\n"
         "complete -F _sockmalloc sockmalloc");
}

/* What zsh's _arguments and _describe take for a mark within a description. */
static void print_zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("[]:\\", *text) != NULL) {
            putchar('\\');
        }
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, stdout);
    }
}

static void print_zsh_options(const char *command)
{
    printf("    %s) _arguments '--help[lists the options]'", command);
    for (int i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].command, command) == 0) {
            printf(" \\\n        '--%s%s[", rows[i].name, rows[i].argument != NULL ? "=" : "");
            print_zsh_text(rows[i].help);
            fputs(rows[i].argument != NULL ? "]:value:_files'" : "]'", stdout);
        }
    }
    for (int i = 0; takes_settings(command) && i < OPTION_COUNT; i++) {
        fputs(" \\\n        '--", stdout);
        print_option_name((enum option)i);
        fputs("=[", stdout);
        print_zsh_text(option_help((enum option)i));
        fputs("]:value:'", stdout);
    }
    puts(takes_settings(command) ? " \\\n        '*::command:_normal' ;;"
                                 : " \\\n        '*:process:_pids' ;;");
}

static void print_zsh(void)
{
    puts("#compdef sockmalloc\n# Completes sockmalloc's commands and options. Made from the rows "
         "of the command.\n"
         "if (( CURRENT == 2 )); then\n"
         "    local -a commands=(");
    for (int i = 0; i < COMMANDS; i++) {
        printf("        '%s:", commands[i].name);
        print_zsh_text(commands[i].help);
        puts("'");
    }
    puts("    )\n    _describe command commands\n    return\nfi\n"
         "local command=$words[2]\nshift words\n(( CURRENT-- ))\ncase $command in");
    for (int i = 0; i < COMMANDS; i++) {
        print_zsh_options(commands[i].name);
    }
    puts("esac");
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } parts[] = {{"commands", print_commands},
                 {"exits", print_exits},
                 {"bash", print_bash},
                 {"zsh", print_zsh}};
    for (size_t i = 0; count == 2 && i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(arguments[1], parts[i].name) == 0) {
            parts[i].print();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    fputs("usage: print-command commands|exits|bash|zsh\n", stderr);
    return 2;
}
