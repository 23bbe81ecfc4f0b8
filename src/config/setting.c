/* Reads, describes and prints the value of one setting, by the kind of the setting. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/setting.h"

#include <signal.h>
#include <string.h>

#include "config/choices.h"

/*
 * The signals that have a name here; all others are printed by their numbers. Signals that no program can catch, and
 * signals of faults such as SIGSEGV, are left out, because they cannot be chosen.
 */
static const struct {
    const char *name;
    int number;
} signal_names[] = {
    {"HUP", SIGHUP},   {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"PROF", SIGPROF},     {"WINCH", SIGWINCH},
    {"URG", SIGURG},   {"IO", SIGIO},     {"PWR", SIGPWR},   {"VTALRM", SIGVTALRM}, {"QUIT", SIGQUIT},
    {"INT", SIGINT},   {"TERM", SIGTERM}, {"ALRM", SIGALRM}, {"XCPU", SIGXCPU},     {"XFSZ", SIGXFSZ},
    {"CHLD", SIGCHLD}, {"CONT", SIGCONT}, {"TSTP", SIGTSTP},
};

enum { SIGNAL_NAMES = sizeof signal_names / sizeof signal_names[0] };

#define SETTING_CHOICE(name, word, help) {word, help},
static const struct setting_choice pool_choices[] = {KIND_ROWS(SETTING_CHOICE){NULL, NULL}};
static const struct setting_choice huge_choices[] = {HUGE_ROWS(SETTING_CHOICE){NULL, NULL}};
static const struct setting_choice format_choices[] = {FORMAT_ROWS(SETTING_CHOICE){NULL, NULL}};
static const struct setting_choice no_choices[] = {{NULL, NULL}};
#undef SETTING_CHOICE

const struct setting_choice *setting_choices(enum setting_kind kind)
{
    switch (kind) {
    case SETTING_POOL:
        return pool_choices;
    case SETTING_HUGE:
        return huge_choices;
    case SETTING_FORMAT:
        return format_choices;
    default:
        return no_choices;
    }
}

/* Returns the word that stands for SETTING_NONE in a setting of this kind, such as "never". The kind must be one that
 * has such a word. */
static const char *setting_none_word(enum setting_kind kind)
{
    switch (kind) {
    case SETTING_LIMIT:
    case SETTING_RANGE:
        return "none";
    case SETTING_DELAY:
        return "never";
    default:
        return "auto";
    }
}

static bool setting_read_number(const struct setting *setting, const char *value, uint64_t *number)
{
    return text_read_size(value, number) && *number >= setting->minimum && *number <= setting->maximum;
}

/* Returns how many decimal digits the value begins with. Start-up does not call strspn, because that function would
 * bring one more page of libc into memory. */
static size_t setting_count_digits(const char *value)
{
    size_t count = 0;
    while (value[count] >= '0' && value[count] <= '9') {
        count++;
    }
    return count;
}

/* Reads a number that has no unit, because it counts things. A value such as "8k", which would be a number of bytes, is
 * refused. */
static bool setting_read_count(const struct setting *setting, const char *value, uint64_t *number)
{
    return value[setting_count_digits(value)] == '\0' && setting_read_number(setting, value, number);
}

/* Reads a time, as a number of milliseconds or as a number with the unit ms, s or min. */
static bool setting_read_delay(const struct setting *setting, const char *value, uint64_t *number)
{
    static const struct {
        const char *word;
        uint64_t milliseconds;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"min", 60000}};
    char digits[24];
    size_t length = setting_count_digits(value);
    if (length >= sizeof digits) {
        return false;
    }
    memcpy(digits, value, length);
    digits[length] = '\0';
    for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(value + length, units[i].word) == 0) {
            return text_read_size(digits, number) && !__builtin_mul_overflow(*number, units[i].milliseconds, number) &&
                   *number >= setting->minimum && *number <= setting->maximum;
        }
    }
    return false;
}

static bool setting_read_bounded(const struct setting *setting, const char *value, uint64_t *number)
{
    bool minus_one = setting->kind == SETTING_DELAY && strcmp(value, "-1") == 0;
    if (minus_one || strcmp(value, setting_none_word(setting->kind)) == 0) {
        *number = SETTING_NONE;
        return true;
    }
    return setting->kind == SETTING_DELAY ? setting_read_delay(setting, value, number)
                                          : setting_read_number(setting, value, number);
}

/* Returns true if both ends of a range lie within the limits of the setting, and the lower end is not larger than the
 * upper end. */
static bool setting_allows_range(const struct setting *setting, uint64_t number)
{
    uint64_t low = setting_range_low(number);
    uint64_t high = setting_range_high(number);
    return low >= setting->minimum && low <= high && high <= setting->maximum;
}

/* Reads a range of sizes, "LOW-HIGH", or the word "none". */
static bool setting_read_range(const struct setting *setting, const char *value, uint64_t *number)
{
    enum { LOW_SIZE = 16 };
    char low[LOW_SIZE] = "";
    if (strcmp(value, "none") == 0) {
        *number = SETTING_NONE;
        return true;
    }
    size_t length = strcspn(value, "-");
    if (length >= LOW_SIZE || value[length] == '\0') {
        return false;
    }
    memcpy(low, value, length);
    uint64_t first;
    uint64_t last;
    if (!text_read_size(low, &first) || !text_read_size(value + length + 1, &last) || first > UINT32_MAX ||
        last > UINT32_MAX) {
        return false;
    }
    *number = first << 32 | last;
    return setting_allows_range(setting, *number);
}

static bool setting_read_switch(const char *value, uint64_t *number)
{
    static const char *const words[][2] = {{"0", "1"}, {"no", "yes"}, {"off", "on"}, {"false", "true"}};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (uint64_t state = 0; state < 2; state++) {
            if (strcmp(value, words[i][state]) == 0) {
                *number = state;
                return true;
            }
        }
    }
    return false;
}

/* Reads a real-time signal that is counted from the first or the last of them: "RTMIN+3", "RTMAX-1". */
static bool setting_read_realtime(const char *value, uint64_t *number)
{
    uint64_t offset = 0;
    bool from_end = strncmp(value, "RTMAX", 5) == 0;
    if ((strncmp(value, "RTMIN", 5) != 0 && !from_end) || (value[5] != '\0' && value[5] != (from_end ? '-' : '+')) ||
        (value[5] != '\0' && !text_read_size(value + 6, &offset)) || offset > 64) {
        return false;
    }
    *number = (uint64_t)(from_end ? SIGRTMAX : SIGRTMIN) + (from_end ? 0 - offset : offset);
    return *number >= (uint64_t)SIGRTMIN && *number <= (uint64_t)SIGRTMAX;
}

/*
 * Returns true if the signal can be chosen. Signals that no program can catch cannot be chosen. Signals of faults, such
 * as SIGSEGV, cannot be chosen either, because a handler that writes statistics would hide the crash.
 */
static bool setting_allows_signal(uint64_t number)
{
    for (unsigned i = 0; i < SIGNAL_NAMES; i++) {
        if ((uint64_t)signal_names[i].number == number) {
            return true;
        }
    }
    return number >= (uint64_t)SIGRTMIN && number <= (uint64_t)SIGRTMAX;
}

static bool setting_read_signal(const char *value, uint64_t *number)
{
    if (strcmp(value, "off") == 0 || strcmp(value, "0") == 0) {
        *number = 0;
        return true;
    }
    const char *name = strncmp(value, "SIG", 3) == 0 ? value + 3 : value;
    for (unsigned i = 0; i < SIGNAL_NAMES; i++) {
        if (strcmp(name, signal_names[i].name) == 0) {
            *number = (uint64_t)signal_names[i].number;
            return true;
        }
    }
    return setting_read_realtime(name, number) || (text_read_size(value, number) && setting_allows_signal(*number));
}

static bool setting_read_word(enum setting_kind kind, const char *value, uint64_t *number)
{
    const struct setting_choice *choices = setting_choices(kind);
    for (unsigned place = 0; choices[place].word != NULL; place++) {
        if (strcmp(value, choices[place].word) == 0) {
            *number = place;
            return true;
        }
    }
    return false;
}

COLD bool setting_read(const struct setting *setting, const char *value, uint64_t *number)
{
    switch (setting->kind) {
    case SETTING_SIZE:
        return setting_read_number(setting, value, number);
    case SETTING_COUNT:
        return setting_read_count(setting, value, number);
    case SETTING_LIMIT:
    case SETTING_BUDGET:
    case SETTING_DELAY:
        return setting_read_bounded(setting, value, number);
    case SETTING_RANGE:
        return setting_read_range(setting, value, number);
    case SETTING_SWITCH:
        return setting_read_switch(value, number);
    case SETTING_SIGNAL:
        return setting_read_signal(value, number);
    case SETTING_POOL:
    case SETTING_HUGE:
    case SETTING_FORMAT:
        return setting_read_word(setting->kind, value, number);
    case SETTING_PATH:
        break;
    }
    return (value[0] == '/' || value[0] == '\0') && strlen(value) < SETTING_PATH_SIZE;
}

bool setting_allows(const struct setting *setting, uint64_t number)
{
    bool within = number >= setting->minimum && number <= setting->maximum;
    switch (setting->kind) {
    case SETTING_SIZE:
    case SETTING_COUNT:
        return within;
    case SETTING_LIMIT:
    case SETTING_BUDGET:
    case SETTING_DELAY:
        return within || number == SETTING_NONE;
    case SETTING_RANGE:
        return number == SETTING_NONE || setting_allows_range(setting, number);
    case SETTING_SWITCH:
        return number <= 1;
    case SETTING_SIGNAL:
        return number == 0 || setting_allows_signal(number);
    case SETTING_POOL:
        return number < KIND_COUNT;
    case SETTING_HUGE:
        return number < HUGE_COUNT;
    case SETTING_FORMAT:
        return number < FORMAT_COUNT;
    case SETTING_PATH:
        break;
    }
    return false;
}

static void setting_describe_range(const struct setting *setting, struct text *text)
{
    text_add(text, setting->kind == SETTING_DELAY   ? "milliseconds from "
                   : setting->kind == SETTING_COUNT ? "a number from "
                                                    : "a size from ");
    setting_print(setting->kind, setting->minimum, text);
    text_add(text, " to ");
    setting_print(setting->kind, setting->maximum, text);
    if (setting->kind != SETTING_SIZE && setting->kind != SETTING_COUNT) {
        text_add(text, "%s, or %s", setting->kind == SETTING_DELAY ? ", a time such as 2s" : "",
                 setting_none_word(setting->kind));
    }
}

/* Prints the words that a setting of this kind accepts, such as "never or always" or "text, json or prometheus". */
static void setting_describe_words(enum setting_kind kind, struct text *text)
{
    const struct setting_choice *choices = setting_choices(kind);
    for (unsigned place = 0; choices[place].word != NULL; place++) {
        const char *before = place == 0 ? "" : choices[place + 1].word == NULL ? " or " : ", ";
        text_add(text, "%s%s", before, choices[place].word);
    }
}

void setting_describe(const struct setting *setting, struct text *text)
{
    switch (setting->kind) {
    case SETTING_SIZE:
    case SETTING_COUNT:
    case SETTING_LIMIT:
    case SETTING_BUDGET:
    case SETTING_DELAY:
        setting_describe_range(setting, text);
        break;
    case SETTING_RANGE:
        text_add(text, "two sizes from ");
        text_add_size(text, setting->minimum);
        text_add(text, " to ");
        text_add_size(text, setting->maximum);
        text_add(text, " as LOW-HIGH, or none");
        break;
    case SETTING_SWITCH:
        text_add(text, "0, 1, no, yes, off, on, false or true");
        break;
    case SETTING_SIGNAL:
        text_add(text, "a signal that a program can catch, or off");
        break;
    case SETTING_POOL:
    case SETTING_HUGE:
    case SETTING_FORMAT:
        setting_describe_words(setting->kind, text);
        break;
    case SETTING_PATH:
        text_add(text, "an absolute path of fewer than %u bytes", (unsigned)SETTING_PATH_SIZE);
        break;
    }
}

static void setting_print_signal(uint64_t number, struct text *text)
{
    for (unsigned i = 0; i < SIGNAL_NAMES; i++) {
        if ((uint64_t)signal_names[i].number == number) {
            text_add(text, "SIG%s", signal_names[i].name);
            return;
        }
    }
    if (number == 0) {
        text_add(text, "off");
    } else {
        text_add(text, "%lu", (unsigned long)number);
    }
}

void setting_print(enum setting_kind kind, uint64_t number, struct text *text)
{
    switch (kind) {
    case SETTING_LIMIT:
    case SETTING_BUDGET:
    case SETTING_DELAY:
        if (number == SETTING_NONE) {
            text_add(text, "%s", setting_none_word(kind));
        } else if (kind == SETTING_DELAY) {
            text_add(text, "%lu", (unsigned long)number);
        } else {
            text_add_size(text, number);
        }
        break;
    case SETTING_SIZE:
        text_add_size(text, number);
        break;
    case SETTING_RANGE:
        if (number == SETTING_NONE) {
            text_add(text, "none");
            break;
        }
        text_add_size(text, setting_range_low(number));
        text_add(text, "-");
        text_add_size(text, setting_range_high(number));
        break;
    case SETTING_SIGNAL:
        setting_print_signal(number, text);
        break;
    case SETTING_POOL:
    case SETTING_HUGE:
    case SETTING_FORMAT:
        text_add(text, "%s", setting_choices(kind)[number].word);
        break;
    case SETTING_COUNT:
    case SETTING_SWITCH:
    case SETTING_PATH:
        text_add(text, "%lu", (unsigned long)number);
        break;
    }
}
