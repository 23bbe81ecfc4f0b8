/* Tests of config/setting.c, the types of settings: which texts each type accepts, how it describes its values, and how
 * it prints them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "config/choices.h"
#include "config/setting.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct setting size = {SETTING_SIZE, 100, 1 << 20};
static const struct setting limit = {SETTING_LIMIT, 100, 1 << 20};
static const struct setting share = {SETTING_BUDGET, 100, 1 << 20};
static const struct setting number = {SETTING_COUNT, 1, 5000};
static const struct setting delay = {SETTING_DELAY, 0, 60000};
static const struct setting onoff = {SETTING_SWITCH, 0, 0};
static const struct setting signals = {SETTING_SIGNAL, 0, 0};
static const struct setting pool = {SETTING_POOL, 0, 0};
static const struct setting huge = {SETTING_HUGE, 0, 0};
static const struct setting format = {SETTING_FORMAT, 0, 0};
static const struct setting path = {SETTING_PATH, 0, 0};
static const struct setting unbounded = {SETTING_SIZE, 0, UINT64_MAX};

static void expect_read(const struct setting *setting, const char *value, uint64_t wanted)
{
    uint64_t found = ~wanted;
    cr_expect(setting_read(setting, value, &found), "'%s' is refused", value);
    cr_expect_eq(found, wanted, "'%s' reads as %lu", value, found);
}

static void expect_refused(const struct setting *setting, const char *value)
{
    uint64_t found = 0;
    cr_expect_not(setting_read(setting, value, &found), "kind %u takes '%s' as %lu", (unsigned)setting->kind, value,
                  found);
}

static void expect_all_refused(const struct setting *setting, const char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_refused(setting, values[i]);
    }
}

static void expect_described(const struct setting *setting, const char *wanted)
{
    char buffer[96]; /* as large as the buffer in which a message stores the description of a setting's values */
    struct text text = text_begin(buffer, sizeof buffer);
    setting_describe(setting, &text);
    cr_expect_str_eq(buffer, wanted);
    cr_expect_not(text.cut);
}

static void expect_printed(enum setting_kind kind, uint64_t value, const char *wanted)
{
    char buffer[64];
    struct text text = text_begin(buffer, sizeof buffer);
    setting_print(kind, value, &text);
    cr_expect_str_eq(buffer, wanted);
}

Test(setting, kinds_describe_themselves)
{
    expect_described(&size, "a size from 100 to 1m");
    expect_described(&limit, "a size from 100 to 1m, or none");
    expect_described(&share, "a size from 100 to 1m, or auto");
    expect_described(&number, "a number from 1 to 5000");
    expect_described(&delay, "milliseconds from 0 to 60000, a time such as 2s, or never");
    expect_described(&huge, "never or always");
    expect_described(&onoff, "0, 1, no, yes, off, on, false or true");
    expect_described(&signals, "a signal that a program can catch, or off");
    expect_described(&pool, "thread, lockfree, standard, cpu or auto");
    expect_described(&path, "an absolute path of fewer than 512 bytes");
}

/* If the setting is a count, its limits are described and its values are printed without a unit. If the setting is a
 * number of bytes, they have a unit. */
Test(setting, numbers_are_described_without_units)
{
    const struct setting things = {SETTING_COUNT, 1024, 1 << 20};
    expect_described(&things, "a number from 1024 to 1048576");
    expect_printed(SETTING_COUNT, 1 << 20, "1048576");
    expect_printed(SETTING_SIZE, 1 << 20, "1m");
}

static void expect_range(const struct setting *setting)
{
    expect_read(setting, "100", 100);
    expect_read(setting, "1k", 1024);
    expect_read(setting, "1K", 1024);
    expect_read(setting, "1m", 1 << 20);
    expect_read(setting, "1048576", 1 << 20);
    expect_read(setting, "0000000000000000000000101", 101);
    expect_refused(setting, "99");
    expect_refused(setting, "0");
    expect_refused(setting, "1048577");
    expect_refused(setting, "1025k");
    expect_refused(setting, "1g");
}

static const char *const no_sizes[] = {"",     "k",     "x",     "-1",    "+200",   " 200",   "200 ", "2 k",
                                       "2kb",  "2kk",   "2t",    "2.5k",  "2e3",    "0x200",  "off",  "None",
                                       "AUTO", "none ", "auto,", "200\n", "１２３", "200\x80"};

/* 2^64 and larger numbers are refused, in digits and with a unit. */
static const char *const too_large[] = {"18446744073709551616", "99999999999999999999", "17179869184g",
                                        "17592186044416m",      "18014398509481984k",   "18446744073709551615k",
                                        "184467440737095516160"};

Test(setting, sizes)
{
    expect_range(&size);
    expect_all_refused(&size, no_sizes, COUNT_OF(no_sizes));
    expect_refused(&size, "none");
    expect_refused(&size, "auto");
    expect_read(&unbounded, "0", 0);
    expect_read(&unbounded, "18446744073709551615", UINT64_MAX);
    expect_read(&unbounded, "17179869183g", UINT64_C(17179869183) << 30);
    expect_all_refused(&unbounded, too_large, COUNT_OF(too_large));
    expect_printed(SETTING_SIZE, 0, "0");
    expect_printed(SETTING_SIZE, 1023, "1023");
    expect_printed(SETTING_SIZE, 4096, "4k");
    expect_printed(SETTING_SIZE, 3 << 20, "3m");
    expect_printed(SETTING_SIZE, 3 << 20 | 1, "3145729");
    expect_printed(SETTING_SIZE, UINT64_C(2) << 30, "2g");
}

/* A setting that is a limit can be `none`, and one that is a budget can be `auto`. Neither accepts the other word. */
Test(setting, limits_and_budgets)
{
    expect_range(&limit);
    expect_range(&share);
    expect_all_refused(&limit, no_sizes, COUNT_OF(no_sizes));
    expect_all_refused(&share, no_sizes, COUNT_OF(no_sizes));
    expect_read(&limit, "none", SETTING_NONE);
    expect_refused(&limit, "auto");
    expect_read(&share, "auto", SETTING_NONE);
    expect_refused(&share, "none");
    expect_refused(&limit, "18446744073709551615");
    expect_printed(SETTING_LIMIT, SETTING_NONE, "none");
    expect_printed(SETTING_BUDGET, SETTING_NONE, "auto");
    expect_printed(SETTING_LIMIT, 8192, "8k");
    expect_printed(SETTING_BUDGET, 8193, "8193");
    expect_printed(SETTING_LIMIT, 0, "0");
}

Test(setting, times)
{
    static const char *const bad[] = {"",
                                      "s",
                                      "1 s",
                                      "1.5s",
                                      "-2",
                                      "1S",
                                      "1sec",
                                      "1m",
                                      "1k",
                                      "2ms ",
                                      "+1s",
                                      "61s",
                                      "2min",
                                      "60001",
                                      "ns1",
                                      "auto",
                                      "18446744073709551616",
                                      "18446744073709551s",
                                      "999999999999999999999999s"};
    expect_read(&delay, "0", 0);
    expect_read(&delay, "250", 250);
    expect_read(&delay, "250ms", 250);
    expect_read(&delay, "2s", 2000);
    expect_read(&delay, "1min", 60000);
    expect_read(&delay, "never", SETTING_NONE);
    expect_read(&delay, "-1", SETTING_NONE);
    expect_all_refused(&delay, bad, COUNT_OF(bad));
    expect_printed(SETTING_DELAY, 2000, "2000");
    expect_printed(SETTING_DELAY, SETTING_NONE, "never");
}

Test(setting, counts)
{
    expect_read(&number, "1", 1);
    expect_read(&number, "5000", 5000);
    expect_refused(&number, "0");
    expect_refused(&number, "5001");
    expect_all_refused(&number, no_sizes, COUNT_OF(no_sizes));
    expect_refused(&number, "none");
    expect_refused(&number, "1k");
    expect_refused(&number, "0k");
    expect_printed(SETTING_COUNT, 5000, "5000");
}

Test(setting, switches)
{
    static const char *const bad[] = {"",   "2",  "01", "True", "FALSE", "ON", "On",   "1 ",
                                      " 1", "-1", "y",  "n",    "0ff",   "10", "yess", "1k"};
    expect_read(&onoff, "0", 0);
    expect_read(&onoff, "off", 0);
    expect_read(&onoff, "no", 0);
    expect_read(&onoff, "1", 1);
    expect_read(&onoff, "on", 1);
    expect_read(&onoff, "yes", 1);
    expect_read(&onoff, "false", 0);
    expect_read(&onoff, "true", 1);
    expect_all_refused(&onoff, bad, COUNT_OF(bad));
    expect_printed(SETTING_SWITCH, 0, "0");
    expect_printed(SETTING_SWITCH, 1, "1");
}

/* Checks that a signal is accepted by its name with SIG, by its name without SIG and by its number, and is printed by
 * its name with SIG. */
static void expect_signal(const char *whole, int value)
{
    char digits[16];
    struct text text = text_begin(digits, sizeof digits);
    text_add(&text, "%d", value);
    expect_read(&signals, whole, (uint64_t)value);
    expect_read(&signals, whole + 3, (uint64_t)value);
    expect_read(&signals, digits, (uint64_t)value);
    expect_printed(SETTING_SIGNAL, (uint64_t)value, whole);
}

Test(setting, signals_by_name)
{
    static const struct {
        const char *whole;
        int value;
    } names[] = {
        {"SIGHUP", SIGHUP},       {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2}, {"SIGPROF", SIGPROF},
        {"SIGWINCH", SIGWINCH},   {"SIGURG", SIGURG},   {"SIGIO", SIGIO},     {"SIGPWR", SIGPWR},
        {"SIGVTALRM", SIGVTALRM}, {"SIGQUIT", SIGQUIT}, {"SIGINT", SIGINT},   {"SIGTERM", SIGTERM},
        {"SIGALRM", SIGALRM},     {"SIGXCPU", SIGXCPU}, {"SIGXFSZ", SIGXFSZ}, {"SIGCHLD", SIGCHLD},
        {"SIGCONT", SIGCONT},     {"SIGTSTP", SIGTSTP},
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        expect_signal(names[i].whole, names[i].value);
    }
    expect_read(&signals, "off", 0);
    expect_read(&signals, "0", 0);
    expect_printed(SETTING_SIGNAL, 0, "off");
}

Test(setting, realtime_signals)
{
    const uint64_t first = (uint64_t)SIGRTMIN;
    const uint64_t last = (uint64_t)SIGRTMAX;
    static const char *const bad[] = {"RTMIN-1",  "RTMIN+31", "RTMAX+1",  "RTMAX-31", "RTMIN+65",
                                      "RTMAX-65", "RTMIN+",   "RTMAX-",   "RTMIN+1k", "RTMIN3",
                                      "RTMIN++1", "RTMI",     "RTMIN+-1", "rtmin",    "RTMID"};
    static const char *const too_far[] = {"RTMIN+18446744073709551615", "RTMAX-18446744073709551615",
                                          "RTMIN+18446744073709551616"};
    expect_read(&signals, "RTMIN", first);
    expect_read(&signals, "SIGRTMIN", first);
    expect_read(&signals, "RTMIN+0", first);
    expect_read(&signals, "SIGRTMIN+30", last);
    expect_read(&signals, "RTMAX", last);
    expect_read(&signals, "RTMAX-30", first);
    expect_read(&signals, "64", 64);
    expect_all_refused(&signals, bad, COUNT_OF(bad));
    expect_all_refused(&signals, too_far, COUNT_OF(too_far));
    expect_printed(SETTING_SIGNAL, 64, "64");
}

/* Some signals are refused: those that cannot be caught, those that report a fault of the program, and the two that
 * glibc keeps for itself. */
Test(setting, refused_signals)
{
    static const int faults[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE,
                                 SIGABRT, SIGTRAP, SIGSYS,  32,     33,     65};
    static const char *const bad[] = {"",     "SIG", "sigusr1", "usr1", "KILL",  "SIGSEGV",   "SIG10", "SIGoff",
                                      "SIG0", "OFF", "-1",      "10k",  "USR1 ", "SIGSIGHUP", "USR",   "00"};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        char digits[16];
        struct text text = text_begin(digits, sizeof digits);
        text_add(&text, "%d", faults[i]);
        expect_refused(&signals, digits);
    }
    expect_all_refused(&signals, bad, COUNT_OF(bad));
}

/* Each kind of pool is named by one word. A part of the word is not accepted. */
Test(setting, pools)
{
    static const char *const bad[] = {"",  "THREAD", "Thread", "thread ", " thread", "threads", "threa",
                                      "0", "1",      "none",   "large",   "trained", "thread,", "lock-free"};
#define EXPECT_WORD(name, word, help)                                                                                  \
    expect_read(&pool, word, KIND_##name);                                                                             \
    expect_printed(SETTING_POOL, KIND_##name, word);
    KIND_ROWS(EXPECT_WORD)
#undef EXPECT_WORD
    expect_all_refused(&pool, bad, COUNT_OF(bad));
}

Test(setting, huge_pages)
{
    static const char *const bad[] = {"", "auto", "0", "1", "none", "madvise", "never ", "thread"};
#define EXPECT_WORD(name, word, help)                                                                                  \
    expect_read(&huge, word, HUGE_##name);                                                                             \
    expect_printed(SETTING_HUGE, HUGE_##name, word);
    HUGE_ROWS(EXPECT_WORD)
#undef EXPECT_WORD
    expect_all_refused(&huge, bad, COUNT_OF(bad));
}

Test(setting, words_of_formats)
{
    static const char *const bad[] = {"", "TEXT", "0", "1", "xml", "json ", "openmetrics"};
#define EXPECT_WORD(name, word, help)                                                                                  \
    expect_read(&format, word, FORMAT_##name);                                                                         \
    expect_printed(SETTING_FORMAT, FORMAT_##name, word);
    FORMAT_ROWS(EXPECT_WORD)
#undef EXPECT_WORD
    expect_all_refused(&format, bad, COUNT_OF(bad));
}

Test(setting, paths)
{
    static char longest[SETTING_PATH_SIZE];
    static char too_long[SETTING_PATH_SIZE + 1];
    memset(longest, '/', sizeof longest - 1);
    memset(too_long, '/', sizeof too_long - 1);
    const char *const good[] = {"", "/", "/var/log/stats.%p", "/a b/%%\n", longest};
    const char *const bad[] = {"stats", "./stats", "~/stats", "%p", " /stats", too_long};
    uint64_t nothing = 0;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        cr_expect(setting_read(&path, good[i], &nothing), "%s", good[i]);
    }
    expect_all_refused(&path, bad, COUNT_OF(bad));
}

/* Prints a value and checks that reading the text gives the value again, because a person may copy it from a report. */
static void expect_copied(const struct setting *setting, const char *value)
{
    char buffer[64];
    struct text text = text_begin(buffer, sizeof buffer);
    uint64_t first = 0;
    cr_expect(setting_read(setting, value, &first), "%s", value);
    setting_print(setting->kind, first, &text);
    expect_read(setting, buffer, first);
}

Test(setting, prints_what_it_reads)
{
    expect_copied(&size, "3000");
    expect_copied(&size, "512k");
    expect_copied(&limit, "none");
    expect_copied(&limit, "101");
    expect_copied(&share, "auto");
    expect_copied(&number, "4096");
    expect_copied(&onoff, "yes");
    expect_copied(&signals, "RTMIN+7");
    expect_copied(&signals, "XFSZ");
    expect_copied(&signals, "off");
    expect_copied(&pool, "cpu");
    expect_copied(&unbounded, "17179869183g");
}

/* setting_allows accepts exactly the values that reading a text can give. */
Test(setting, allows_what_it_reads)
{
    /* two values each for sizes, for switches and kinds of pools, and for signals */
    static const uint64_t allowed[][2] = {{100, 1 << 20}, {0, 1}, {SIGUSR1, SIGCHLD}};
    for (unsigned i = 0; i < 2; i++) {
        cr_expect(setting_allows(&size, allowed[0][i]));
        cr_expect(setting_allows(&limit, allowed[0][i]));
        cr_expect(setting_allows(&onoff, allowed[1][i]));
        cr_expect(setting_allows(&signals, allowed[2][i]));
        cr_expect(setting_allows(&pool, allowed[1][i]));
    }
    cr_expect(setting_allows(&limit, SETTING_NONE));
    cr_expect(setting_allows(&signals, 0));
    cr_expect(setting_allows(&signals, (uint64_t)SIGRTMAX));
    static const uint64_t refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGABRT, 32, 65, 1000, UINT64_MAX};
    for (unsigned i = 0; i < COUNT_OF(refused); i++) {
        cr_expect_not(setting_allows(&signals, refused[i]), "%lu", (unsigned long)refused[i]);
        cr_expect_not(setting_allows(&pool, refused[i]));
        cr_expect_not(setting_allows(&huge, refused[i]));
        cr_expect_not(setting_allows(&format, refused[i]));
        cr_expect_not(setting_allows(&onoff, refused[i]));
    }
    cr_expect_not(setting_allows(&size, 99));
    cr_expect_not(setting_allows(&number, 5001));
    cr_expect_not(setting_allows(&number, SETTING_NONE));
    cr_expect_not(setting_allows(&path, 0));
}
