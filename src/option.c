/* The settings: one row a variable, and everything else about settings made from the rows. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "option.h"

#include <signal.h>
#include <string.h>

#include "message.h"

#define OPTION_PREFIX "SOCKMALLOC_"

enum option_kind { OPTION_KIND_SIZE, OPTION_KIND_SWITCH, OPTION_KIND_SIGNAL, OPTION_KIND_PATH };

struct option_row {
    const char *variable;
    const char *initial;
    const char *help;
    uint64_t minimum;
    uint64_t maximum;
    enum option_kind kind;
};

static const struct option_row rows[OPTION_COUNT] = {
#define OPTION_ROW(name, kind, initial, minimum, maximum, help)                                    \
    [OPTION_##name] = {OPTION_PREFIX #name, initial, help, minimum, maximum, OPTION_KIND_##kind},
    OPTION_ROWS(OPTION_ROW)
#undef OPTION_ROW
};

/* Signals that a person would name; all others by number. Those that can't be caught are not here.
 */
static const struct {
    const char *name;
    int number;
} signal_names[] = {
    {"HUP", SIGHUP},       {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"PROF", SIGPROF},
    {"WINCH", SIGWINCH},   {"URG", SIGURG},   {"IO", SIGIO},     {"PWR", SIGPWR},
    {"VTALRM", SIGVTALRM}, {"QUIT", SIGQUIT}, {"INT", SIGINT},   {"TERM", SIGTERM},
    {"ALRM", SIGALRM},     {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"CHLD", SIGCHLD},
    {"CONT", SIGCONT},     {"TSTP", SIGTSTP},
};

enum { SIGNAL_NAMES = sizeof signal_names / sizeof signal_names[0] };

struct option_set options;

const char *option_variable(enum option option)
{
    return rows[option].variable;
}

const char *option_help(enum option option)
{
    return rows[option].help;
}

static bool option_read_switch(const char *value, uint64_t *number)
{
    static const char *const words[][2] = {{"0", "1"}, {"off", "on"}, {"no", "yes"}};
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

/* A real-time signal counted from one end: "RTMIN+3", "RTMAX-1". */
static bool option_read_realtime(const char *value, uint64_t *number)
{
    uint64_t offset = 0;
    bool from_end = strncmp(value, "RTMAX", 5) == 0;
    if ((strncmp(value, "RTMIN", 5) != 0 && !from_end) ||
        (value[5] != '\0' && value[5] != (from_end ? '-' : '+')) ||
        (value[5] != '\0' && !text_read_size(value + 6, &offset)) || offset > 64) {
        return false;
    }
    *number = (uint64_t)(from_end ? SIGRTMAX : SIGRTMIN) + (from_end ? 0 - offset : offset);
    return *number >= (uint64_t)SIGRTMIN && *number <= (uint64_t)SIGRTMAX;
}

/* Faults (SIGSEGV and its kind) and what can't be caught are refused: a dump there would hide a
 * crash. */
static bool option_signal_allowed(uint64_t number)
{
    for (unsigned i = 0; i < SIGNAL_NAMES; i++) {
        if ((uint64_t)signal_names[i].number == number) {
            return true;
        }
    }
    return number >= (uint64_t)SIGRTMIN && number <= (uint64_t)SIGRTMAX;
}

static bool option_read_signal(const char *value, uint64_t *number)
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
    return option_read_realtime(name, number) ||
           (text_read_size(value, number) && option_signal_allowed(*number));
}

/* Reads `value` by the row's kind. False leaves the set as it was. */
static bool option_accept(struct option_set *set, enum option option, const char *value)
{
    const struct option_row *row = &rows[option];
    uint64_t number = 0;
    switch (row->kind) {
    case OPTION_KIND_SIZE:
        if (!text_read_size(value, &number) || number < row->minimum || number > row->maximum) {
            return false;
        }
        break;
    case OPTION_KIND_SWITCH:
        if (!option_read_switch(value, &number)) {
            return false;
        }
        break;
    case OPTION_KIND_SIGNAL:
        if (!option_read_signal(value, &number)) {
            return false;
        }
        break;
    case OPTION_KIND_PATH:
        if ((value[0] != '/' && value[0] != '\0') || strlen(value) >= OPTION_PATH_SIZE) {
            return false;
        }
        memcpy(set->path, value, strlen(value) + 1);
        break;
    }
    set->number[option] = number;
    return true;
}

/* Says in words what the row would have taken. */
static void option_describe(const struct option_row *row, struct text *text)
{
    switch (row->kind) {
    case OPTION_KIND_SIZE:
        text_add(text, "a size from ");
        text_add_size(text, row->minimum);
        text_add(text, " to ");
        text_add_size(text, row->maximum);
        break;
    case OPTION_KIND_SWITCH:
        text_add(text, "0 or 1");
        break;
    case OPTION_KIND_SIGNAL:
        text_add(text, "a signal that a program can catch, or off");
        break;
    case OPTION_KIND_PATH:
        text_add(text, "an absolute path below %u bytes", (unsigned)OPTION_PATH_SIZE);
        break;
    }
}

static void option_refuse(struct option_set *set, enum option option, const char *value)
{
    char buffer[64];
    struct text wanted = text_begin(buffer, sizeof buffer);
    const struct option_row *row = &rows[option];
    option_describe(row, &wanted);
    message_say(MESSAGE_BAD_VALUE, row->variable, value, buffer,
                row->initial[0] != '\0' ? row->initial : "none");
    set->faulty = true;
}

static bool option_is_known(const char *variable, size_t length)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (strlen(rows[i].variable) == length &&
            strncmp(rows[i].variable, variable, length) == 0) {
            return true;
        }
    }
    return false;
}

static void option_find_unknown(struct option_set *set, char *const *environment)
{
    for (; *environment != NULL; environment++) {
        char name[64];
        size_t length = strcspn(*environment, "=");
        if (strncmp(*environment, OPTION_PREFIX, sizeof OPTION_PREFIX - 1) != 0 ||
            option_is_known(*environment, length)) {
            continue;
        }
        length = length < sizeof name ? length : sizeof name - 1;
        memcpy(name, *environment, length);
        name[length] = '\0';
        message_say(MESSAGE_UNKNOWN_SETTING, name);
        set->faulty = true;
    }
}

/* MIN above MAX leaves no request for the pools: surely not what was meant. */
static void option_reconcile(struct option_set *set)
{
    if (set->number[OPTION_MIN] <= set->number[OPTION_MAX]) {
        return;
    }
    char buffers[2][24];
    struct text minimum = text_begin(buffers[0], sizeof buffers[0]);
    struct text maximum = text_begin(buffers[1], sizeof buffers[1]);
    text_add_size(&minimum, set->number[OPTION_MIN]);
    text_add_size(&maximum, set->number[OPTION_MAX]);
    message_say(MESSAGE_CONTRADICTION, rows[OPTION_MIN].variable, buffers[0],
                rows[OPTION_MAX].variable, buffers[1]);
    option_accept(set, OPTION_MIN, rows[OPTION_MIN].initial);
    option_accept(set, OPTION_MAX, rows[OPTION_MAX].initial);
    set->faulty = true;
}

void option_read(struct option_set *set, option_lookup *lookup, char *const *environment)
{
    *set = (struct option_set){.faulty = false};
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        enum option option = (enum option)i;
        option_accept(set, option, rows[i].initial);
        const char *value = lookup(rows[i].variable);
        if (value != NULL && !option_accept(set, option, value)) {
            option_refuse(set, option, value);
        }
    }
    option_reconcile(set);
    if (environment != NULL) {
        option_find_unknown(set, environment);
    }
}

static void option_print_signal(uint64_t number, struct text *text)
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

void option_print(const struct option_set *set, enum option option, struct text *text)
{
    switch (rows[option].kind) {
    case OPTION_KIND_SIZE:
        text_add_size(text, set->number[option]);
        break;
    case OPTION_KIND_SWITCH:
        text_add(text, "%lu", (unsigned long)set->number[option]);
        break;
    case OPTION_KIND_SIGNAL:
        option_print_signal(set->number[option], text);
        break;
    case OPTION_KIND_PATH:
        text_add(text, "%s", set->path);
        break;
    }
}

void option_print_all(const struct option_set *set, struct text *text)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        text_add(text, "%s%s=", i > 0 ? " " : "", rows[i].variable);
        option_print(set, (enum option)i, text);
    }
}
