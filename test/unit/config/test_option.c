/* Tests of config/option.c: good and bad values of each setting, the message about a bad value, and the value that is
 * used instead. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "config/option.h"
#include "support/capture.h"
#include "support/environment.h"

static void expect_number(enum option option, const char *value, uint64_t number)
{
    struct option_set set;
    const char *words = environment_read_one(&set, option_variable(option), value);
    cr_expect_str_empty(words, "%s=%s: %s", option_variable(option), value, words);
    cr_expect_eq(set.number[option], number, "%s=%s gave %lu", option_variable(option), value, set.number[option]);
    cr_expect_not(set.faulty);
}

/* Checks that a bad value of the option causes one message with the option's name, the value, what is wanted and the
 * default, and that the default is then used. */
static void expect_refusal(enum option option, const char *value, const char *wanted, const char *initial)
{
    static struct option_set defaults;
    struct option_set set;
    char line[4096];
    environment_read_one(&defaults, "NONE", NULL);
    const char *words = environment_read_one(&set, option_variable(option), value);
    snprintf(line, sizeof line, "]: %s=%s: not %s; using %s\n", option_variable(option), value, wanted, initial);
    const char *found = strstr(words, line);
    cr_expect(found != NULL && found[strlen(line)] == '\0' && strchr(words, '\n') == words + strlen(words) - 1,
              "wanted '%s', not: %s", line, words);
    cr_expect(set.faulty);
    cr_expect_arr_eq(set.number, defaults.number, sizeof set.number);
    cr_expect_str_eq(option_path(&set, OPTION_STATS), option_path(&defaults, OPTION_STATS));
}

Test(option, defaults)
{
    struct option_set set;
    const char *words = environment_read_one(&set, "NONE", NULL);
    cr_expect_str_empty(words);
    cr_expect_not(set.faulty);
    cr_expect_eq(set.number[OPTION_MIN], 4096);
    cr_expect_eq(set.number[OPTION_MAX], 32 << 20);
    cr_expect_eq(set.number[OPTION_LARGE], 85000);
    cr_expect_eq(set.number[OPTION_HEADROOM], 4096);
    cr_expect_eq(set.number[OPTION_DISABLE], 0);
    cr_expect_eq(set.number[OPTION_STRICT], 0);
    cr_expect_eq(set.number[OPTION_VERBOSE], 0);
    cr_expect_eq(set.number[OPTION_SIGNAL], SIGUSR1);
    cr_expect_eq(set.number[OPTION_STATS_AT_EXIT], 0);
    cr_expect_str_empty(option_path(&set, OPTION_STATS));
}

Test(option, sizes)
{
    expect_number(OPTION_MIN, "5000", 5000);
    expect_number(OPTION_MIN, "8k", 8192);
    expect_number(OPTION_MIN, "8K", 8192);
    expect_number(OPTION_MAX, "64m", 64 << 20);
    expect_number(OPTION_MAX, "1M", 1 << 20);
    expect_number(OPTION_LARGE, "1g", 1 << 30);
    expect_number(OPTION_LARGE, "1G", 1 << 30);
    expect_number(OPTION_HEADROOM, "0", 0);
    expect_number(OPTION_HEADROOM, "1", 1);
}

/* Checks that a size may have its smallest and its largest value, and that smaller and larger values are refused with a
 * message that names both limits. */
static void expect_range(enum option option, const char *initial, uint64_t minimum, uint64_t maximum)
{
    char value[32];
    char wanted[64];
    struct text text = text_begin(wanted, sizeof wanted);
    text_add(&text, "a size from ");
    text_add_size(&text, minimum);
    text_add(&text, " to ");
    text_add_size(&text, maximum);
    snprintf(value, sizeof value, "%lu", maximum + 1);
    expect_refusal(option, value, wanted, initial);
    if (minimum > 0) {
        snprintf(value, sizeof value, "%lu", minimum - 1);
        expect_refusal(option, value, wanted, initial);
    }
    snprintf(value, sizeof value, "%lu", minimum);
    expect_number(option, value, minimum);
    /* The largest SOCKMALLOC_MIN is not tried: it is larger than the default of SOCKMALLOC_MAX, and a minimum must not
     * be larger than the maximum. */
    if (option != OPTION_MIN) {
        snprintf(value, sizeof value, "%lu", maximum);
        expect_number(option, value, maximum);
    }
}

Test(option, sizes_have_ends)
{
    unsigned ranges = 0;
#define EXPECT_RANGE(name, kind, initial, minimum, maximum, help)                                                      \
    if (SETTING_##kind == SETTING_SIZE) {                                                                              \
        expect_range(OPTION_##name, initial, minimum, maximum);                                                        \
        ranges++;                                                                                                      \
    }
    OPTION_ROWS(EXPECT_RANGE)
#undef EXPECT_RANGE
    cr_assert_geq(ranges, 4U);
}

Test(option, bad_sizes)
{
    static const char *const values[] = {
        "", "x", "-1", "+8k", "8 k", "8kb", "8t", "8.5k", "0x2000", " 8k", "18446744073709551616", "17179869184g"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        expect_refusal(OPTION_LARGE, values[i], "a size from 4k to 1g", "85000");
    }
}

Test(option, switches)
{
    static const enum option switches[] = {OPTION_DISABLE, OPTION_STRICT, OPTION_VERBOSE, OPTION_STATS_AT_EXIT};
    static const char *const words[][2] = {{"0", "1"}, {"off", "on"}, {"no", "yes"}, {"false", "true"}};
    static const char *const bad[] = {"", "2", "01", "True", "ON", "1 ", "-1", "y"};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        for (size_t j = 0; j < sizeof words / sizeof words[0]; j++) {
            expect_number(switches[i], words[j][0], 0);
            expect_number(switches[i], words[j][1], 1);
        }
        for (size_t j = 0; j < sizeof bad / sizeof bad[0]; j++) {
            expect_refusal(switches[i], bad[j], "0, 1, no, yes, off, on, false or true", "0");
        }
    }
}

Test(option, signals)
{
    expect_number(OPTION_SIGNAL, "SIGUSR2", SIGUSR2);
    expect_number(OPTION_SIGNAL, "USR2", SIGUSR2);
    expect_number(OPTION_SIGNAL, "12", 12);
    expect_number(OPTION_SIGNAL, "SIGHUP", SIGHUP);
    expect_number(OPTION_SIGNAL, "SIGWINCH", SIGWINCH);
    expect_number(OPTION_SIGNAL, "SIGTSTP", SIGTSTP);
    expect_number(OPTION_SIGNAL, "off", 0);
    expect_number(OPTION_SIGNAL, "0", 0);
    expect_number(OPTION_SIGNAL, "RTMIN", (uint64_t)SIGRTMIN);
    expect_number(OPTION_SIGNAL, "SIGRTMIN", (uint64_t)SIGRTMIN);
    expect_number(OPTION_SIGNAL, "SIGRTMIN+3", (uint64_t)SIGRTMIN + 3);
    expect_number(OPTION_SIGNAL, "RTMAX", (uint64_t)SIGRTMAX);
    expect_number(OPTION_SIGNAL, "RTMAX-1", (uint64_t)SIGRTMAX - 1);
    expect_number(OPTION_SIGNAL, "64", 64);
}

/* Some signals are refused: those that cannot be caught, those that report a fault of the program, and 32 and 33, which
 * glibc keeps for itself. */
Test(option, bad_signals)
{
    static const char *const values[] = {
        "",         "SIG",    "sigusr1",  "SIGKILL", "KILL",   "9",       "SIGSTOP",   "19",
        "SIGSEGV",  "11",     "SIGABRT",  "6",       "SIGBUS", "SIGILL",  "SIGFPE",    "-1",
        "65",       "32",     "33",       "10k",     "SIG10",  "RTMIN-1", "RTMIN+31",  "RTMAX+1",
        "RTMAX-31", "RTMIN+", "RTMIN+1k", "RTMIN3",  "RTMAX-", "USR1 ",   "SIGSIGHUP", "RTMIN+18446744073709551616",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        expect_refusal(OPTION_SIGNAL, values[i], "a signal that a program can catch, or off", "SIGUSR1");
    }
}

Test(option, paths)
{
    static char longest[SETTING_PATH_SIZE];
    static char too_long[SETTING_PATH_SIZE + 1];
    struct option_set set;
    memset(longest, '/', sizeof longest - 1);
    memset(too_long, '/', sizeof too_long - 1);
    static const char *const good[] = {"/", "/var/log/stats.%p", "/a b/%%/%q", "", longest};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *words = environment_read_one(&set, "SOCKMALLOC_STATS", good[i]);
        cr_expect_str_empty(words, "%s", words);
        cr_expect_str_eq(option_path(&set, OPTION_STATS), good[i]);
        cr_expect_not(set.faulty);
    }
    static const char *const bad[] = {"stats", "./stats", "%p", " /stats", too_long};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_refusal(OPTION_STATS, bad[i], "an absolute path of fewer than 512 bytes", "none");
    }
}

/* option_peek reads a single setting before start-up reads all of them. It returns the value that the setting will have
 * after start-up. It prints no message about a bad value. */
Test(option, one_option_before_all_are_read)
{
    static const char *const values[] = {"0", "1", "off", "on", "no", "yes", "", "2", "keep", NULL};
    struct option_set set;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        environment_read_one(&set, option_variable(OPTION_DEEPBIND), values[i]);
        capture_begin();
        uint64_t number = environment_peek(OPTION_DEEPBIND, values[i]);
        cr_expect_str_empty(capture_end());
        cr_expect_eq(number, set.number[OPTION_DEEPBIND], "%s", values[i]);
    }
    cr_expect_eq(environment_peek(OPTION_DEEPBIND, "1"), 1);
    cr_expect_eq(environment_peek(OPTION_MAX, NULL), 32 << 20);
    cr_expect_eq(environment_peek(OPTION_MAX, "1m"), 1 << 20);
}
