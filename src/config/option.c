/* The settings, one row for each environment variable. The code that reads and prints them is made from these rows. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/option.h"

#include <string.h>

#include "base/similar.h"
#include "config/choices.h"
#include "config/message.h"
#include "os/frozen.h"

#define OPTION_PREFIX "SOCKMALLOC_"

struct option_row {
    const char *variable;
    const char *initial;
    const char *help;
    struct setting setting;
};

static const struct option_row rows[OPTION_COUNT] = {
#define OPTION_ROW(name, kind, initial, minimum, maximum, help)                                                        \
    [OPTION_##name] = {OPTION_PREFIX #name, initial, help, {SETTING_##kind, minimum, maximum}},
    OPTION_ROWS(OPTION_ROW)
#undef OPTION_ROW
};

static const bool live[OPTION_COUNT] = {
#define OPTION_LIVE(name, effect) [OPTION_##name] = true,
    OPTION_LIVE_ROWS(OPTION_LIVE)
#undef OPTION_LIVE
};

_Static_assert(OPTION_COUNT <= 64, "`changed` has a bit for each setting");

static const struct {
    const char *variable;
    const char *instead;
} removed[] = {
#define OPTION_REMOVED(name, instead) {OPTION_PREFIX #name, instead},
    OPTION_REMOVED_ROWS(OPTION_REMOVED)
#undef OPTION_REMOVED
};

static const struct {
    enum option option;
    const char *word;
    const char *instead;
} removed_words[] = {
#define OPTION_REMOVED_WORD(name, word, instead) {OPTION_##name, word, instead},
    OPTION_REMOVED_WORD_ROWS(OPTION_REMOVED_WORD)
#undef OPTION_REMOVED_WORD
};

enum { REMOVED = sizeof removed / sizeof removed[0], REMOVED_WORDS = sizeof removed_words / sizeof removed_words[0] };

FROZEN_OBJECT struct option_set options;

const char *option_variable(enum option option)
{
    return rows[option].variable;
}

const char *option_help(enum option option)
{
    return rows[option].help;
}

bool option_is_live(enum option option)
{
    return live[option];
}

bool option_allows(enum option option, uint64_t number)
{
    return setting_allows(&rows[option].setting, number);
}

bool option_read_value(enum option option, const char *value, uint64_t *number)
{
    return setting_read(&rows[option].setting, value, number);
}

void option_describe(enum option option, struct text *text)
{
    setting_describe(&rows[option].setting, text);
}

bool option_change(enum option option, uint64_t number)
{
    if (!frozen_open()) {
        return false;
    }
    options.number[option] = number;
    options.changed |= UINT64_C(1) << option;
    options.changes++;
    frozen_close();
    return true;
}

COLD void option_set_path(struct option_set *set, enum option option, const char *path)
{
    size_t size = strlen(path) + 1;
    if (size == 1 || set->path_end + size > sizeof set->path) {
        set->number[option] = 0;
        return;
    }
    memcpy(set->path + set->path_end, path, size);
    set->number[option] = set->path_end;
    set->path_end += size;
}

/*
 * Reads `value` as the setting's row says (a size, a time, a path, ...), and stores the result in the set. Returns
 * false, and leaves the set unchanged, if the setting cannot have this value.
 */
static bool option_accept(struct option_set *set, enum option option, const char *value)
{
    uint64_t number = 0;
    if (!setting_read(&rows[option].setting, value, &number)) {
        return false;
    }
    set->number[option] = number;
    if (rows[option].setting.kind == SETTING_PATH) {
        option_set_path(set, option, value);
    }
    return true;
}

/* Gives the setting its default. */
static void option_reset(struct option_set *set, enum option option)
{
    option_accept(set, option, rows[option].initial);
    set->source[option] = OPTION_DEFAULT;
}

/* Warns if `value` is a word that the setting accepted in an earlier version and no longer accepts. Returns true if
 * `value` is such a word. */
static bool option_refuse_removed_word(struct option_set *set, enum option option, const char *value)
{
    for (unsigned i = 0; i < REMOVED_WORDS; i++) {
        if (removed_words[i].option == option && strcmp(removed_words[i].word, value) == 0) {
            message_say(MESSAGE_REMOVED_WORD, rows[option].variable, value, removed_words[i].instead);
            set->faulty = true;
            return true;
        }
    }
    return false;
}

static void option_refuse(struct option_set *set, enum option option, const char *value)
{
    char buffer[96];
    struct text wanted = text_begin(buffer, sizeof buffer);
    const struct option_row *row = &rows[option];
    setting_describe(&row->setting, &wanted);
    message_say(MESSAGE_BAD_VALUE, row->variable, value, buffer, row->initial[0] != '\0' ? row->initial : "none");
    set->faulty = true;
}

static bool option_is_known(const char *variable, size_t length)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (strlen(rows[i].variable) == length && strncmp(rows[i].variable, variable, length) == 0) {
            return true;
        }
    }
    return strlen(OPTION_CONF) == length && strncmp(OPTION_CONF, variable, length) == 0;
}

const char *option_similar(const char *name)
{
    struct similar meant = {0};
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        similar_try(&meant, name, rows[i].variable + sizeof OPTION_PREFIX - 1);
    }
    /* meant.word points behind SOCKMALLOC_ in the name of a variable, because names are compared without SOCKMALLOC_ */
    return meant.word != NULL ? meant.word - (sizeof OPTION_PREFIX - 1) : NULL;
}

/* Warns that `variable` is not the name of a setting. If an earlier version had this setting, the warning says what to
 * use instead. */
static void option_warn_of_unknown(const char *variable)
{
    for (unsigned i = 0; i < REMOVED; i++) {
        if (strcmp(removed[i].variable, variable) == 0) {
            message_say(MESSAGE_REMOVED_SETTING, variable, removed[i].instead);
            return;
        }
    }
    const char *meant = option_similar(variable + sizeof OPTION_PREFIX - 1);
    if (meant != NULL) {
        message_say(MESSAGE_MISTYPED_SETTING, variable, meant);
    } else {
        message_say(MESSAGE_UNKNOWN_SETTING, variable);
    }
}

static void option_find_unknown(struct option_set *set, char *const *environment)
{
    for (; *environment != NULL; environment++) {
        char name[64];
        if (strncmp(*environment, OPTION_PREFIX, sizeof OPTION_PREFIX - 1) != 0) {
            continue;
        }
        size_t length = strcspn(*environment, "=");
        if (option_is_known(*environment, length)) {
            continue;
        }
        length = length < sizeof name ? length : sizeof name - 1;
        memcpy(name, *environment, length);
        name[length] = '\0';
        option_warn_of_unknown(name);
        set->faulty = true;
    }
}

/*
 * If SOCKMALLOC_MIN is larger than SOCKMALLOC_MAX, sets both to their defaults and warns, because no request would be
 * left for the pools.
 */
static void option_reconcile_range(struct option_set *set)
{
    if (set->number[OPTION_MIN] <= set->number[OPTION_MAX]) {
        return;
    }
    char buffers[2][24];
    struct text minimum = text_begin(buffers[0], sizeof buffers[0]);
    struct text maximum = text_begin(buffers[1], sizeof buffers[1]);
    text_add_size(&minimum, set->number[OPTION_MIN]);
    text_add_size(&maximum, set->number[OPTION_MAX]);
    message_say(MESSAGE_CONTRADICTION, rows[OPTION_MIN].variable, buffers[0], rows[OPTION_MAX].variable, buffers[1]);
    option_reset(set, OPTION_MIN);
    option_reset(set, OPTION_MAX);
    set->faulty = true;
}

/*
 * Turns SOCKMALLOC_IN_USE off, with a warning, unless the pool is `standard` and the format `text`. Only the pool
 * `standard` has the mutex that the list of blocks in use needs, and the list is printed as text only, for a person to
 * read.
 */
static void option_reconcile_in_use(struct option_set *set)
{
    bool has_mutex = set->number[OPTION_POOL] == KIND_STANDARD;
    if (set->number[OPTION_IN_USE] == 0 || (has_mutex && set->number[OPTION_FORMAT] == FORMAT_TEXT)) {
        return;
    }
    enum option other = has_mutex ? OPTION_FORMAT : OPTION_POOL;
    char buffer[16];
    struct text word = text_begin(buffer, sizeof buffer);
    option_print(set, other, &word);
    message_say(MESSAGE_IN_USE_ELSEWHERE, rows[other].variable, buffer);
    option_reset(set, OPTION_IN_USE);
    set->faulty = true;
}

COLD void option_read(struct option_set *set, option_lookup *lookup, char *const *environment)
{
    *set = (struct option_set){.path_end = 1};
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        enum option option = (enum option)i;
        option_reset(set, option);
        const char *value = lookup(rows[i].variable);
        if (value == NULL) {
            continue;
        }
        if (option_accept(set, option, value)) {
            set->source[option] = OPTION_GIVEN;
        } else if (!option_refuse_removed_word(set, option, value)) {
            option_refuse(set, option, value);
        }
    }
    option_reconcile_range(set);
    option_reconcile_in_use(set);
    if (environment != NULL) {
        option_find_unknown(set, environment);
    }
}

COLD uint64_t option_peek(enum option option, option_lookup *lookup)
{
    const struct option_row *row = &rows[option];
    const char *value = lookup(row->variable);
    uint64_t number = 0;
    if (value == NULL || !setting_read(&row->setting, value, &number)) {
        setting_read(&row->setting, row->initial, &number);
    }
    return number;
}

/* Returns true if the path lies entirely within the array set->path and is one that the setting accepts. The set may
 * come from another process, so it is checked. */
static bool option_path_makes_sense(const struct option_set *set, enum option option)
{
    uint64_t start = set->number[option];
    if (start >= sizeof set->path) {
        return false;
    }
    const char *path = set->path + start;
    size_t room = sizeof set->path - start;
    return strnlen(path, room) < room && setting_read(&rows[option].setting, path, &start);
}

bool option_set_makes_sense(const struct option_set *set)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        enum option option = (enum option)i;
        bool sense = rows[i].setting.kind == SETTING_PATH ? option_path_makes_sense(set, option)
                                                          : setting_allows(&rows[i].setting, set->number[i]);
        if (!sense) {
            return false;
        }
    }
    return true;
}

void option_print(const struct option_set *set, enum option option, struct text *text)
{
    if (rows[option].setting.kind == SETTING_PATH) {
        text_add(text, "%s", option_path(set, option));
    } else {
        setting_print(rows[option].setting.kind, set->number[option], text);
    }
}

void option_print_all(const struct option_set *set, struct text *text)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        text_add(text, "%s%s=", i > 0 ? " " : "", rows[i].variable);
        if (rows[i].setting.kind == SETTING_PATH) {
            text_add_shown(text, option_path(set, (enum option)i));
        } else {
            option_print(set, (enum option)i, text);
        }
    }
}

void option_print_changed(const struct option_set *set, const char *quote, const char *between, struct text *text)
{
    const char *before = "";
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (option_was_changed(set, (enum option)i)) {
            text_add(text, "%s%s%s%s", before, quote, rows[i].variable, quote);
            before = between;
        }
    }
}
