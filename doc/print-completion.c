/* Prints lists of subcommands, options and words for the completions of bash and zsh. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "offers.h"

static void print_bash_name(const struct option_offer *offer)
{
    printf("--%s%s ", offer->name, offer->argument != NULL ? "=" : "");
}

static void print_bash_spellings(const struct option_offer *offer)
{
    printf("--%s ", offer->name);
    if (offer->letter != 0) {
        printf("-%c ", offer->letter);
    }
}

static void print_bash_separate(const struct option_offer *offer)
{
    if (offer->argument != NULL && !offer->may_lack) {
        print_bash_spellings(offer);
    }
}

static void print_bash_file(const struct option_offer *offer)
{
    if (offer->is_file) {
        print_bash_spellings(offer);
    }
}

static void print_bash_list(const char *variable, const struct command_offer *command, option_visit *visit)
{
    printf("        %s=' ", variable);
    offers_visit_own(command, visit);
    offers_visit_settings(command, visit);
    puts("'");
}

static void print_bash_commands(void)
{
    fputs("    local commands='", stdout);
    for (const struct command_offer *command = command_offers; command->name != NULL; command++) {
        printf("%s ", command->name);
    }
    puts("'");
}

static void print_bash_options(void)
{
    for (const struct command_offer *command = command_offers; command->name != NULL; command++) {
        printf("    %s)\n", command->name);
        print_bash_list("options", command, print_bash_name);
        print_bash_list("separate", command, print_bash_separate);
        print_bash_list("files", command, print_bash_file);
        printf("        takes=%s%s\n        ;;\n", command->takes_process ? "process" : "",
               command->takes_program ? "program" : "");
    }
}

static void print_bash_words(const struct option_offer *offer)
{
    if (offer->words[0] != '\0') {
        printf("    --%s) words='%s' ;;\n", offer->name, offer->words + 1);
    }
}

static void print_bash_values(void)
{
    /* All subcommands that take settings take the same settings, so the first such subcommand is used. */
    const struct command_offer *command = command_offers;
    while (!command->takes_settings) {
        command++;
    }
    offers_visit_settings(command, print_bash_words);
}

/*
 * Prints a description for zsh's _arguments and _describe, with a backslash before characters that have a meaning
 * there.
 */
static void print_zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("[]:\\", *text) != NULL) {
            putchar('\\');
        }
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, stdout);
    }
}

/* Prints an option as zsh's _arguments takes it: '(-o --output)'{-o+,--output=}'[help]:value:_files' */
static void print_zsh_option(const struct option_offer *offer)
{
    const char *mark = offer->argument == NULL ? "" : offer->may_lack ? "=-" : "=";
    fputs(" \\\n        ", stdout);
    if (offer->letter != 0) {
        printf("'(-%c --%s)'{-%c%s,--%s%s}'[", offer->letter, offer->name, offer->letter,
               offer->argument != NULL ? "+" : "", offer->name, mark);
    } else {
        printf("'--%s%s[", offer->name, mark);
    }
    print_zsh_text(offer->help);
    fputs("]", stdout);
    if (offer->argument != NULL) {
        printf(offer->may_lack ? "::value:" : ":value:");
        printf(offer->words[0] != '\0' ? "(%s)" : "%s", offer->words[0] != '\0' ? offer->words + 1
                                                        : offer->is_file        ? "_files"
                                                                                : "");
    }
    fputs("'", stdout);
}

static void print_zsh_command(const struct command_offer *command)
{
    static const char *const takes[2][2] = {
        {"*:argument:_files", "*:process:_sockmalloc_process"},
        {"*::program:_sockmalloc_program", "*::program:_sockmalloc_program_or_process"}};
    printf("%s)\n    _arguments '--help[lists the options]'", command->name);
    offers_visit_own(command, print_zsh_option);
    offers_visit_settings(command, print_zsh_option);
    printf(" \\\n        '%s'\n    ;;\n", takes[command->takes_program][command->takes_process]);
}

static void print_zsh_commands(void)
{
    for (const struct command_offer *command = command_offers; command->name != NULL; command++) {
        printf("        '%s:", command->name);
        print_zsh_text(command->help);
        puts("'");
    }
}

static void print_zsh_options(void)
{
    for (const struct command_offer *command = command_offers; command->name != NULL; command++) {
        print_zsh_command(command);
    }
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } parts[] = {{"bash-commands", print_bash_commands},
                 {"bash-options", print_bash_options},
                 {"bash-values", print_bash_values},
                 {"zsh-commands", print_zsh_commands},
                 {"zsh-options", print_zsh_options}};
    for (size_t i = 0; count == 2 && i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(arguments[1], parts[i].name) == 0) {
            parts[i].print();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    fputs("usage: print-completion bash-commands|bash-options|bash-values|zsh-commands|zsh-options\n", stderr);
    return 2;
}
