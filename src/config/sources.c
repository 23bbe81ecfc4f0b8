/* The sources of settings: the environment, the variable SOCKMALLOC_CONF, which has a list of settings, and a file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/sources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/attributes.h"
#include "config/message.h"
#include "os/os_file.h"

#define PREFIX "SOCKMALLOC_"

enum { PREFIX_SIZE = sizeof PREFIX - 1 };

static struct {
    option_lookup *environment;
    /*
     * for each setting, its value in SOCKMALLOC_CONF or the file, or NULL if neither has one; the value lies in `texts`
     */
    char *value[OPTION_COUNT];
    bool has_values; /* true if SOCKMALLOC_CONF or the file has a value for some setting */
    bool faulty;
} sources;

/* The texts of the file and of SOCKMALLOC_CONF, divided into items. Start-up writes to neither if both are empty. */
static LARGE_OBJECT char texts[2][SOURCES_SIZE + 1];

static bool is_blank(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r';
}

/* Removes the blanks at both ends of `item`, and changes `item` for this. Returns the address of the first character
 * that is left. */
static char *sources_trim(char *item)
{
    while (is_blank(*item)) {
        item++;
    }
    size_t length = strlen(item);
    while (length > 0 && is_blank(item[length - 1])) {
        length--;
    }
    item[length] = '\0';
    return item;
}

static char sources_capital(char letter)
{
    if (letter == '-') {
        return '_';
    }
    return letter >= 'a' && letter <= 'z' ? (char)(letter - 'a' + 'A') : letter;
}

enum option sources_find(char *name)
{
    for (char *letter = name; *letter != '\0'; letter++) {
        *letter = sources_capital(*letter);
    }
    if (strncmp(name, PREFIX, PREFIX_SIZE) == 0) {
        name += PREFIX_SIZE;
    }
    unsigned option = 0;
    while (option < OPTION_COUNT && strcmp(option_variable((enum option)option) + PREFIX_SIZE, name) != 0) {
        option++;
    }
    return (enum option)option;
}

/* Reads one item, NAME=VALUE, and stores its value. `where` is the name of the source, for messages. */
static void sources_read_item(char *item, const char *where)
{
    char *name = sources_trim(item);
    if (*name == '\0') {
        return;
    }
    char *equals = strchr(name, '=');
    if (equals != NULL) {
        *equals = '\0';
        name = sources_trim(name);
    }
    enum option option = sources_find(name);
    if (equals == NULL || option == OPTION_COUNT) {
        const char *meant = equals != NULL ? option_similar(name) : NULL;
        if (meant != NULL) {
            message_say(MESSAGE_MISTYPED_ITEM, where, name, meant);
        } else {
            message_say(equals == NULL ? MESSAGE_NO_VALUE : MESSAGE_UNKNOWN_ITEM, where, name);
        }
        sources.faulty = true;
        return;
    }
    sources.value[option] = sources_trim(equals + 1);
    sources.has_values = true;
}

/* Divides one line into its items, and reads each item. `where` is the name of the source, for messages. */
static void sources_read_line(char *line, const char *where)
{
    line[strcspn(line, "#")] = '\0';
    while (line != NULL) {
        char *item = line;
        line = strchr(line, ',');
        if (line != NULL) {
            *line++ = '\0';
        }
        sources_read_item(item, where);
    }
}

static COLD void sources_read(char *text, const char *where)
{
    if (strlen(text) == SOURCES_SIZE) {
        message_say(MESSAGE_TOO_LONG, where, (unsigned)SOURCES_SIZE - 1);
        sources.faulty = true;
        return;
    }
    while (*text != '\0') {
        char *line = text;
        text += strcspn(text, "\n");
        if (*text != '\0') {
            *text++ = '\0';
        }
        sources_read_line(line, where);
    }
}

/* Copies `text` to `place`, which is one of `texts`, and reads the copy. `where` is the name of the source, for
 * messages. Writes nothing if the text is empty, so that the pages of `place` stay out of memory. */
static COLD void sources_keep(char *place, const char *text, const char *where)
{
    if (*text != '\0') {
        memcpy(place, text, strnlen(text, SOURCES_SIZE));
        sources_read(place, where);
    }
}

COLD bool sources_open(option_lookup *environment, const char *path)
{
    if (sources.environment != NULL) {
        return !sources.faulty;
    }
    sources.environment = environment;
    if (path != NULL) {
        char text[SOURCES_SIZE + 1];
        os_read_file(path, text, sizeof text);
        sources_keep(texts[0], text, path);
    }
    const char *string = environment(OPTION_CONF);
    if (string != NULL) {
        sources_keep(texts[1], string, OPTION_CONF);
    }
    return !sources.faulty;
}

COLD bool sources_open_own(void)
{
    return sources_open(secure_getenv, getauxval(AT_SECURE) == 0 ? SOURCES_FILE : NULL);
}

/* Returns the value that SOCKMALLOC_CONF or the file has for a variable, or NULL. */
static char *sources_find_value(const char *variable)
{
    for (unsigned option = 0; option < OPTION_COUNT; option++) {
        if (strcmp(option_variable((enum option)option), variable) == 0) {
            return sources.value[option];
        }
    }
    return NULL;
}

COLD char *sources_lookup(const char *variable)
{
    char *value = sources.environment != NULL ? sources.environment(variable) : NULL;
    return value == NULL && sources.has_values ? sources_find_value(variable) : value;
}

COLD void sources_note(struct option_set *set)
{
    for (unsigned option = 0; option < OPTION_COUNT; option++) {
        if (set->source[option] == OPTION_GIVEN && sources.environment(option_variable((enum option)option)) == NULL) {
            uintptr_t within = (uintptr_t)sources.value[option] - (uintptr_t)texts[1];
            set->source[option] = within < sizeof texts[1] ? OPTION_FROM_CONF : OPTION_FROM_FILE;
        }
    }
}

const char *sources_name(const struct option_set *set, enum option option)
{
    static const char *const names[OPTION_SOURCES] = {
        [OPTION_DEFAULT] = "default",
        [OPTION_GIVEN] = "environment",
        [OPTION_FROM_CONF] = OPTION_CONF,
        [OPTION_FROM_FILE] = SOURCES_FILE,
    };
    return set->source[option] < OPTION_SOURCES ? names[set->source[option]] : "unknown";
}
