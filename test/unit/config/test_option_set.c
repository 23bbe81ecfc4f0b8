/*
 * Tests of all settings together: settings that contradict each other, unknown names, and how the settings are printed.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "config/choices.h"
#include "config/option.h"
#include "support/environment.h"

Test(option_set, several_at_once)
{
    static char *known[] = {"SOCKMALLOC_MIN=8k", NULL};
    struct option_set set;
    environment_set("SOCKMALLOC_MIN", "8k");
    environment_set("SOCKMALLOC_MAX", "1m");
    environment_set("SOCKMALLOC_HEADROOM", "nothing");
    environment_set("SOCKMALLOC_VERBOSE", "yes");
    const char *words = environment_read(&set, NULL);
    cr_expect_not_null(strstr(words, "SOCKMALLOC_HEADROOM=nothing"));
    cr_expect_eq(set.number[OPTION_MIN], 8192);
    cr_expect_eq(set.number[OPTION_MAX], 1 << 20);
    cr_expect_eq(set.number[OPTION_HEADROOM], 4096);
    cr_expect_eq(set.number[OPTION_VERBOSE], 1);
    cr_expect(set.faulty);
    /* When all settings are read again, those that are no longer set have their defaults again. */
    environment_set("SOCKMALLOC_HEADROOM", NULL);
    cr_expect_str_empty(environment_read(&set, known));
    cr_expect_not(set.faulty);
}

Test(option_set, contradiction_gives_both_defaults)
{
    struct option_set set;
    environment_set("SOCKMALLOC_MIN", "8k");
    environment_set("SOCKMALLOC_MAX", "8191");
    const char *words = environment_read(&set, NULL);
    cr_expect_not_null(strstr(words, "]: SOCKMALLOC_MIN=8k contradicts SOCKMALLOC_MAX=8191; using "
                                     "the default of both\n"),
                       "%s", words);
    cr_expect_eq(set.number[OPTION_MIN], 4096);
    cr_expect_eq(set.number[OPTION_MAX], 32 << 20);
    cr_expect(set.faulty);
    environment_set("SOCKMALLOC_MAX", "8k");
    words = environment_read(&set, NULL);
    cr_expect_str_empty(words, "equal values are no contradiction: %s", words);
    cr_expect_eq(set.number[OPTION_MIN], 8192);
    cr_expect_eq(set.number[OPTION_MAX], 8192);
}

/* A setting can contradict the default of another setting. */
Test(option_set, contradiction_with_a_default)
{
    struct option_set set;
    const char *words = environment_read_one(&set, "SOCKMALLOC_MIN", "33m");
    cr_expect_not_null(strstr(words, "SOCKMALLOC_MIN=33m contradicts SOCKMALLOC_MAX=32m"));
    cr_expect_eq(set.number[OPTION_MIN], 4096);
    cr_expect_eq(set.number[OPTION_MAX], 32 << 20);
}

Test(option_set, unknown_names)
{
    static char long_name[200] = "SOCKMALLOC_";
    memset(long_name + strlen(long_name), 'X', sizeof long_name - strlen(long_name) - 3);
    strcat(long_name, "=1");
    static char *names[] = {"PATH=/bin",
                            "SOCKMALLOC=1",
                            "SOCKMALLOC_MINI=1",
                            "SOCKMALLOC_MI=1",
                            "SOCKMALLOC_MIN=4k",
                            "SOCKMALLOC_=1",
                            "SOCKMALLOC_min=1",
                            "XSOCKMALLOC_MIX=1",
                            "SOCKMALLOC_BARE",
                            "SOCKMALLOC_STATS_AT_EXIT=1",
                            "SOCKMALLOC_STATS_AT=1",
                            long_name,
                            NULL};
    static const char *const refused[] = {
        "]: SOCKMALLOC_MINI: no such setting; ignored; did you mean SOCKMALLOC_MIN?\n",
        "]: SOCKMALLOC_MI: no",
        "]: SOCKMALLOC_: no",
        "]: SOCKMALLOC_min: no",
        "]: SOCKMALLOC_BARE: no such setting; ignored\n",
        "]: SOCKMALLOC_STATS_AT: no",
        "]: SOCKMALLOC_XXX"};
    struct option_set set;
    const char *words = environment_read(&set, names);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        cr_expect_not_null(strstr(words, refused[i]), "'%s' is not in: %s", refused[i], words);
    }
    size_t lines = 0;
    for (const char *at = words; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    cr_expect_eq(lines, sizeof refused / sizeof refused[0], "%zu lines: %s", lines, words);
    cr_expect(set.faulty);
}

/* If a setting that was removed in an earlier version is set, one line warns that it has no effect, and says what to
 * use instead. */
Test(option_set, removed_settings_say_what_to_use)
{
    static const struct {
        const char *name;
        const char *instead;
    } removed[] = {
#define REMOVED(name, instead) {"SOCKMALLOC_" #name, instead},
        OPTION_REMOVED_ROWS(REMOVED)
#undef REMOVED
    };
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        struct option_set set;
        char variable[64];
        char line[256];
        char *environment[] = {variable, NULL};
        snprintf(variable, sizeof variable, "%s=1", removed[i].name);
        snprintf(line, sizeof line, "]: %s: this setting was removed and has no effect; use %s\n", removed[i].name,
                 removed[i].instead);
        const char *words = environment_read(&set, environment);
        const char *found = strstr(words, line);
        cr_expect(found != NULL && found[strlen(line)] == '\0', "'%s' is not in: %s", line, words);
        cr_expect(set.faulty);
    }
}

/*
 * If a setting has a value that was removed in an earlier version, one line warns that this value was removed and
 * says what to use instead, and the default is used.
 */
Test(option_set, removed_words_say_what_to_use)
{
    static const struct {
        enum option option;
        const char *word;
        const char *instead;
    } removed[] = {
#define REMOVED(name, word, instead) {OPTION_##name, word, instead},
        OPTION_REMOVED_WORD_ROWS(REMOVED)
#undef REMOVED
    };
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        struct option_set set;
        struct option_set defaults;
        char line[256];
        const char *name = option_variable(removed[i].option);
        environment_read_one(&defaults, "NONE", NULL);
        snprintf(line, sizeof line, "]: %s=%s: this value was removed; use %s\n", name, removed[i].word,
                 removed[i].instead);
        const char *words = environment_read_one(&set, name, removed[i].word);
        const char *found = strstr(words, line);
        cr_expect(found != NULL && found[strlen(line)] == '\0', "'%s' is not in: %s", line, words);
        cr_expect(set.faulty);
        cr_expect_eq(set.number[removed[i].option], defaults.number[removed[i].option]);
    }
}

Test(option_set, unknown_names_are_not_looked_for_without_an_environment)
{
    struct option_set set;
    cr_expect_str_empty(environment_read_one(&set, "SOCKMALLOC_MIX", "1"));
    cr_expect_not(set.faulty);
}

/*
 * Settings are printed in a form that gives the same values when it is read, because a person may copy them from a
 * report.
 */
Test(option_set, prints_what_it_reads)
{
    static const char *const settings[][2] = {
        {"SOCKMALLOC_MIN", "5000"},       {"SOCKMALLOC_MAX", "1m"},
        {"SOCKMALLOC_SIGNAL", "RTMIN+2"}, {"SOCKMALLOC_STATS", "/tmp/stats.%p"},
        {"SOCKMALLOC_VERBOSE", "on"},     {"SOCKMALLOC_HEADROOM", "0"},
    };
    static char printed[OPTION_COUNT][SETTING_PATH_SIZE];
    struct option_set first;
    struct option_set second;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        environment_set(settings[i][0], settings[i][1]);
    }
    cr_expect_str_empty(environment_read(&first, NULL));
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        struct text text = text_begin(printed[i], sizeof printed[i]);
        option_print(&first, (enum option)i, &text);
        const char *name = option_variable((enum option)i);
        const char *words = environment_read_one(&second, name, printed[i]);
        cr_expect_str_empty(words, "%s", words);
        cr_expect_eq(second.number[i], first.number[i], "%s=%s", name, printed[i]);
    }
    cr_expect_str_eq(printed[OPTION_MIN], "5000");
    cr_expect_str_eq(printed[OPTION_MAX], "1m");
    cr_expect_str_eq(printed[OPTION_VERBOSE], "1");
    cr_expect_str_eq(printed[OPTION_STATS], "/tmp/stats.%p");
}

Test(option_set, prints_all)
{
    char buffer[1024];
    struct option_set set;
    struct text text = text_begin(buffer, sizeof buffer);
    environment_read_one(&set, "SOCKMALLOC_SIGNAL", "off");
    option_print_all(&set, &text);
    const char *wanted =
        "SOCKMALLOC_MIN=4k SOCKMALLOC_MAX=32m SOCKMALLOC_LARGE=85000 "
        "SOCKMALLOC_HEADROOM=4k SOCKMALLOC_POOL=thread SOCKMALLOC_TRAINING=1 "
        "SOCKMALLOC_CACHE=auto SOCKMALLOC_RETAIN=none SOCKMALLOC_LARGE_RETAIN=none "
        "SOCKMALLOC_DECAY_MS=250 "
        "SOCKMALLOC_BACKGROUND=0 SOCKMALLOC_THP=never SOCKMALLOC_FORK_TRIM=0 SOCKMALLOC_PRESSURE=1 "
        "SOCKMALLOC_AUTO_THREADS=8 "
        "SOCKMALLOC_FREE_LIST=1024 "
        "SOCKMALLOC_IN_USE=0 SOCKMALLOC_PROFILE= SOCKMALLOC_MESSAGE=none SOCKMALLOC_DEEPBIND=0 "
        "SOCKMALLOC_DISABLE=0 SOCKMALLOC_STRICT=0 SOCKMALLOC_CONTROL=0 SOCKMALLOC_VERBOSE=0 SOCKMALLOC_SIGNAL=off "
        "SOCKMALLOC_STATS= "
        "SOCKMALLOC_STATS_AT_EXIT=0 SOCKMALLOC_FORMAT=text "
        "SOCKMALLOC_SAMPLE_SMALL=0";
    cr_assert_str_eq(buffer, wanted);
}

Test(option_set, prints_signals_by_name_where_they_have_one)
{
    struct option_set set;
    char buffer[32];
    struct text text = text_begin(buffer, sizeof buffer);
    environment_read_one(&set, "SOCKMALLOC_SIGNAL", "12");
    option_print(&set, OPTION_SIGNAL, &text);
    cr_assert_str_eq(buffer, "SIGUSR2");
}

Test(option_set, every_row_has_a_name_and_help)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const char *name = option_variable((enum option)i);
        cr_expect_eq(strncmp(name, "SOCKMALLOC_", 11), 0, "%s", name);
        cr_expect_gt(strlen(option_help((enum option)i)), 10, "%s", name);
    }
}

/* option_set_makes_sense accepts each set of values that reading the environment can give, and refuses other values. */
Test(option_set, makes_sense)
{
    static struct option_set set;
    environment_set("SOCKMALLOC_STATS", "/tmp/a");
    cr_expect_str_empty(environment_read(&set, NULL));
    cr_assert(option_set_makes_sense(&set));
    static const struct {
        enum option option;
        uint64_t number;
    } senseless[] = {{OPTION_POOL, KIND_COUNT}, {OPTION_FORMAT, UINT64_MAX},     {OPTION_SIGNAL, SIGKILL},
                     {OPTION_MIN, 0},           {OPTION_STATS, sizeof set.path}, {OPTION_PROFILE, UINT64_MAX},
                     {OPTION_STATS, 2}};
    for (unsigned i = 0; i < sizeof senseless / sizeof senseless[0]; i++) {
        struct option_set changed = set;
        changed.number[senseless[i].option] = senseless[i].number;
        cr_expect_not(option_set_makes_sense(&changed), "%u", i);
    }
    struct option_set endless = set;
    memset(endless.path + 1, '/', sizeof endless.path - 1);
    cr_expect_not(option_set_makes_sense(&endless));
}
