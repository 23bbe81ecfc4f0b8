/* Prints the rows of settings, statistics and messages for the man pages and the public header. */
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

/* Prints text for roff, with hyphens and backslashes that roff does not change. */
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

static void print_column(const char *name, const char *help)
{
    fputs(".TP\n.B ", stdout);
    print_escaped(name);
    putchar('\n');
    print_escaped(help);
    fputs(".\n", stdout);
}

static void print_statistics(void)
{
#define STATISTIC(name, width, type, unit, help) print_column(#name, help);
#define SHARE(name, width, help)                 print_column(#name, help);
    SNAPSHOT_SLOT_ROWS(STATISTIC)
    SNAPSHOT_SHARE_ROWS(SHARE)
    SNAPSHOT_CACHE_ROWS(STATISTIC)
#undef SHARE
#undef STATISTIC
}

/* Prints the figures of the whole process, which JSON and the format of Prometheus have by these names. */
static void print_process(void)
{
#define FIGURE(name, type, unit, help) print_column(#name, help);
    SNAPSHOT_PROCESS_ROWS(FIGURE)
#undef FIGURE
}

/* Returns the unit of a figure. A row without a unit counts requests or other events. */
static const char *unit_of(const struct snapshot_row *row)
{
    return row->unit[0] != '\0' ? row->unit : "events";
}

/* Prints the names that sockmalloc_statistic takes, for its man page. */
static void print_names(void)
{
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        printf(".TP\n.BR %s \" (%s)\"\n", snapshot_rows[i].name, unit_of(&snapshot_rows[i]));
        print_escaped(snapshot_rows[i].help);
        fputs(".\n", stdout);
    }
}

/* Prints the names that sockmalloc_statistic takes, for its comment in the public header. */
static void print_header(void)
{
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        printf(" *   %-18s  %-8s  %s\n", snapshot_rows[i].name, unit_of(&snapshot_rows[i]), snapshot_rows[i].help);
    }
}

/* Prints the format of a message with a word in place of each conversion. */
static void print_format(const char *format)
{
    static const struct {
        const char *conversion;
        const char *word;
    } words[] = {{"%s", "..."}, {"%u", "N"}, {"%zu", "N"}, {"%p", "ADDRESS"}};
    while (*format != '\0') {
        size_t length = 1;
        const char *word = (char[]){*format, '\0'};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            if (strncmp(format, words[i].conversion, strlen(words[i].conversion)) == 0) {
                word = words[i].word;
                length = strlen(words[i].conversion);
            }
        }
        print_escaped(word);
        format += length;
    }
}

static void print_messages(void)
{
#define SAID(name, format, meaning)                                                                                    \
    fputs(".TP\n.B ", stdout);                                                                                         \
    print_format(format);                                                                                              \
    putchar('\n');                                                                                                     \
    print_escaped(meaning);                                                                                            \
    fputs("\n", stdout);
    MESSAGE_ROWS(SAID)
#undef SAID
}

/* Prints the settings and words of earlier versions, and what to use instead. */
static void print_removed(void)
{
#define REMOVED(name, instead)                                                                                         \
    puts(".TP\n.B SOCKMALLOC_" #name "\nUse");                                                                         \
    print_escaped(instead);                                                                                            \
    puts(".");
    OPTION_REMOVED_ROWS(REMOVED)
#undef REMOVED
#define REMOVED(name, word, instead)                                                                                   \
    puts(".TP\n.B SOCKMALLOC_" #name "=" word "\nUse");                                                                \
    print_escaped(instead);                                                                                            \
    puts(".");
    OPTION_REMOVED_WORD_ROWS(REMOVED)
#undef REMOVED
}

/* Prints the settings that can change while a program runs, and what a change does. */
static void print_live(void)
{
#define LIVE(name, effect) print_column("SOCKMALLOC_" #name, effect);
    OPTION_LIVE_ROWS(LIVE)
#undef LIVE
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } parts[] = {
        {"settings", print_settings}, {"removed", print_removed},   {"statistics", print_statistics},
        {"process", print_process},   {"messages", print_messages}, {"names", print_names},
        {"header", print_header},     {"live", print_live},
    };
    for (size_t i = 0; count == 2 && i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(arguments[1], parts[i].name) == 0) {
            parts[i].print();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    fputs("usage: print-rows settings|removed|statistics|process|messages|names|header|live\n", stderr);
    return 2;
}
