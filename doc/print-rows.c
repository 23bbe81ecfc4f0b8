/* Prints the rows of settings, statistics and messages for the man page, which is made from them.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "config/message.h"
#include "config/option.h"
#include "statistics/snapshot.h"

struct row {
    const char *name;
    const char *initial;
    const char *help;
    struct setting setting;
};

static const struct row rows[] = {
#define SETTING(name, kind, initial, minimum, maximum, help) {#name, initial, help, {SETTING_##kind, minimum, maximum}},
    OPTION_ROWS(SETTING)
#undef SETTING
};

/* Prints text for roff: a hyphen that is to stay one, a backslash, and % signs as they are. */
static void print_escaped(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-') {
            fputs("\\-", stdout);
        } else if (*text == '\\') {
            fputs("\\e", stdout);
        } else {
            putchar(*text);
        }
    }
}

static void print_row(const struct row *row)
{
    char buffer[128];
    struct text takes = text_begin(buffer, sizeof buffer);
    setting_describe(&row->setting, &takes);
    printf(".TP\n.B SOCKMALLOC_%s\n", row->name);
    print_escaped(row->help);
    printf(".\nTakes %s.\n", buffer);
    if (row->initial[0] != '\0') {
        printf("Default: %s.\n", row->initial);
    }
    const struct setting_choice *choice = setting_choices(row->setting.kind);
    if (choice->word != NULL) {
        puts(".RS");
        for (; choice->word != NULL; choice++) {
            printf(".TP\n.B %s\n", choice->word);
            print_escaped(choice->help);
            puts(".");
        }
        puts(".RE");
    }
}

static void print_settings(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_row(&rows[i]);
    }
}

static void print_column(const char *heading, const char *help)
{
    fputs(".TP\n.B ", stdout);
    print_escaped(heading);
    putchar('\n');
    print_escaped(help);
    fputs(".\n", stdout);
}

static void print_statistics(void)
{
#define STATISTIC(name, heading, width, type, unit, help) print_column(heading, help);
#define SHARE(name, heading, width, help)                 print_column(heading, help);
    SNAPSHOT_SLOT_ROWS(STATISTIC)
    SNAPSHOT_SHARE_ROWS(SHARE)
    SNAPSHOT_CACHE_ROWS(STATISTIC)
#undef SHARE
#undef STATISTIC
}

static void print_messages(void)
{
#define SAID(name, format, meaning)                                                                                    \
    fputs(".TP\n.B ", stdout);                                                                                         \
    print_escaped(format);                                                                                             \
    putchar('\n');                                                                                                     \
    print_escaped(meaning);                                                                                            \
    fputs("\n", stdout);
    MESSAGE_ROWS(SAID)
#undef SAID
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } parts[] = {{"settings", print_settings}, {"statistics", print_statistics}, {"messages", print_messages}};
    for (size_t i = 0; count == 2 && i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(arguments[1], parts[i].name) == 0) {
            parts[i].print();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    fputs("usage: print-rows settings|statistics|messages\n", stderr);
    return 2;
}
