/* Prints the rows of the command for its man page. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "command/advise_rows.h"
#include "command/command_rows.h"
#include "command/top_rows.h"
#include "offers.h"

/* Prints text for roff, with hyphens that roff does not change to dashes. */
static void print_escaped(const char *text)
{
    for (; *text != '\0'; text++) {
        fputs(*text == '-' ? "\\-" : (char[]){*text, '\0'}, stdout);
    }
}

static void print_manual_option(const struct option_offer *offer)
{
    fputs(".TP\n.B ", stdout);
    if (offer->letter != 0) {
        printf("\\-%c, ", offer->letter);
    }
    const char *argument = offer->argument != NULL ? offer->argument : "";
    const char *before = offer->argument == NULL ? "" : offer->may_lack ? "[=" : "=";
    printf("\\-\\-%s%s%s%s\n", offer->name, before, argument, offer->may_lack ? "]" : "");
    print_escaped(offer->help);
    puts(".");
}

/* Prints a subcommand: each way to call it, its help and its options. */
static void print_manual_command(const struct command_offer *offer)
{
    printf(".SS sockmalloc %s\n", offer->name);
    for (const char *way = offer->arguments; *way != '\0';) {
        int length = (int)strcspn(way, "\n");
        printf("%s.B sockmalloc %s\n%.*s\n", way == offer->arguments ? "" : ".br\n", offer->name, length, way);
        way += length + (way[length] == '\n' ? 1 : 0);
    }
    puts(".PP");
    print_escaped(offer->help);
    puts(".");
    offers_visit_own(offer, print_manual_option);
    if (offer->takes_settings) {
        puts(".TP\n.B \\-\\-min=VALUE, \\-\\-pool=VALUE ...\nThese options stand for the settings of\n.BR sockmalloc "
             "(7),\n"
             "in lower case and with hyphens: \\-\\-stats\\-at\\-exit is "
             "SOCKMALLOC_STATS_AT_EXIT=1.");
    }
}

static void print_commands(void)
{
    for (const struct command_offer *command = command_offers; command->name != NULL; command++) {
        print_manual_command(command);
    }
}

static void print_exits(void)
{
#define EXIT(name, code, when)                                                                                         \
    printf(".TP\n.B %d\n", code);                                                                                      \
    print_escaped(when);                                                                                               \
    puts(".");
    COMMAND_EXIT_ROWS(EXIT)
#undef EXIT
}

/* Prints the rules of `sockmalloc advise`: under which condition each applies, and the advice that it prints. */
static void print_advice(void)
{
#define ADVICE(name, setting, condition, text)                                                                         \
    fputs(".TP\n.B ", stdout);                                                                                         \
    print_escaped(setting);                                                                                            \
    fputs("\nif ", stdout);                                                                                            \
    print_escaped(condition);                                                                                          \
    fputs(".\n", stdout);                                                                                              \
    print_escaped(text);                                                                                               \
    putchar('\n');
    ADVISE_ROWS(ADVICE)
#undef ADVICE
}

/* Prints the servers whose own settings an advice can name. */
static void print_servers(void)
{
#define SERVER(program, setting, lines, place)                                                                         \
    fputs(".TP\n.B " program "\n", stdout);                                                                            \
    print_escaped(setting);                                                                                            \
    fputs(", in ", stdout);                                                                                            \
    print_escaped(place);                                                                                              \
    putchar('\n');
    ADVISE_SERVER_ROWS(SERVER)
#undef SERVER
}

static void print_entry(const char *name, const char *help)
{
    fputs(".TP\n.B ", stdout);
    print_escaped(name);
    putchar('\n');
    print_escaped(help);
    fputs(".\n", stdout);
}

/* Prints the keys of `sockmalloc top`. */
static void print_keys(void)
{
#define KEY(key, help)               print_entry(key, help);
#define ORDER(name, key, word, help) print_entry((const char[]){key, '\0'}, "sorts by " help);
    TOP_KEY_ROWS(KEY)
    TOP_ORDER_ROWS(ORDER)
#undef KEY
#undef ORDER
}

/* Prints the columns of `sockmalloc top`. */
static void print_columns(void)
{
#define COLUMN(name, heading, from, help) print_entry(heading, help);
    TOP_COLUMN_ROWS(COLUMN)
#undef COLUMN
    print_entry(TOP_BAR_HEADING, TOP_BAR_HELP);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } parts[] = {{"commands", print_commands}, {"exits", print_exits}, {"advice", print_advice},
                 {"servers", print_servers},   {"keys", print_keys},   {"columns", print_columns}};
    for (size_t i = 0; count == 2 && i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(arguments[1], parts[i].name) == 0) {
            parts[i].print();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    fputs("usage: print-command commands|exits|advice|servers|keys|columns\n", stderr);
    return 2;
}
