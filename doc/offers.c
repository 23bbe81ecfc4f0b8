/* Lists the command's subcommands and their options, from the rows of the command and of the settings. The programs
 * that make the man page and the completions use this list. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "offers.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "command/command_rows.h"
#include "config/option.h"

/* Three flags for each subcommand: it takes the library's settings as options; it takes a process; it takes a program.
 */
#define TAKES_run       true, false, true
#define TAKES_check     true, true, true
#define TAKES_compare   false, false, true
#define TAKES_list      false, true, false
#define TAKES_stat      false, true, false
#define TAKES_record    false, true, false
#define TAKES_report    false, false, false
#define TAKES_top       false, true, false
#define TAKES_exporter  false, true, false
#define TAKES_leaks     false, true, false
#define TAKES_bugreport false, true, false
#define TAKES_advise    false, true, false
#define TAKES_set       false, true, false
#define TAKES_systemd   false, false, false

const struct command_offer command_offers[] = {
#define COMMAND(name, arguments, help) {#name, arguments, help, TAKES_##name},
    COMMAND_ROWS(COMMAND)
#undef COMMAND
        {0}};

struct option_row {
    const char *command;
    struct option_offer offer;
};

static const struct option_row rows[] = {
#define ROW(command, name, letter, argument, help) {#command, {name, letter, help, argument, false, false, ""}},
    COMMAND_OPTION_ROWS(ROW)
#undef ROW
};

enum { ROWS = sizeof rows / sizeof rows[0] };

void offers_visit_own(const struct command_offer *command, option_visit *visit)
{
    for (int i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].command, command->name) == 0) {
            struct option_offer offer = rows[i].offer;
            offer.may_lack = offer.argument != NULL && offer.argument[0] == '?';
            offer.argument += offer.may_lack ? 1 : 0;
            offer.is_file = offer.argument != NULL &&
                            (strcmp(offer.argument, "FILE") == 0 || strcmp(offer.argument, "DIRECTORY") == 0);
            visit(&offer);
        }
    }
}

/* Lists the words that a setting of this kind takes, each with a blank before it. */
static void list_words(enum setting_kind kind, struct option_offer *offer)
{
    struct text words = text_begin(offer->words, sizeof offer->words);
    if (kind == SETTING_SWITCH) {
        text_add(&words, " 0 1");
    }
    for (const struct setting_choice *choice = setting_choices(kind); choice->word != NULL; choice++) {
        text_add(&words, " %s", choice->word);
    }
}

/* Writes the name of a setting as an option: "STATS_AT_EXIT" becomes "stats-at-exit". */
static void name_setting(enum option option, struct option_offer *offer)
{
    const char *from = option_variable(option) + strlen("SOCKMALLOC_");
    for (size_t i = 0; from[i] != '\0' && i + 1 < sizeof offer->name; i++) {
        offer->name[i] = from[i] == '_' ? '-' : (char)tolower((unsigned char)from[i]);
    }
}

void offers_visit_settings(const struct command_offer *command, option_visit *visit)
{
    static const enum setting_kind kinds[] = {
#define SETTING(name, kind, initial, minimum, maximum, help) SETTING_##kind,
        OPTION_ROWS(SETTING)
#undef SETTING
    };
    for (int i = 0; command->takes_settings && i < OPTION_COUNT; i++) {
        struct option_offer offer = {.help = option_help((enum option)i),
                                     .argument = "VALUE",
                                     .may_lack = kinds[i] == SETTING_SWITCH,
                                     .is_file = kinds[i] == SETTING_PATH};
        list_words(kinds[i], &offer);
        name_setting((enum option)i, &offer);
        visit(&offer);
    }
}
