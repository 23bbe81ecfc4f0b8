/* Prints the result of `sockmalloc advise`: as text, as JSON, and as lines for the environment and the configuration of
 * the server. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "command/advise.h"
#include "command/shown.h"
#include "statistics/format.h"

static const char *const names[] = {
#define ADVISE_NAME(name, setting, condition, text) #name,
    ADVISE_ROWS(ADVISE_NAME)
#undef ADVISE_NAME
};

static const char *const purposes[] = {
#define ADVISE_PURPOSE(name, setting, condition, text) text,
    ADVISE_ROWS(ADVISE_PURPOSE)
#undef ADVISE_PURPOSE
};

const char *advise_purpose(const struct advice *advice)
{
    return purposes[advice->rule];
}

enum { ADVISE_WIDTH = 79, ADVISE_INDENT = 12 };

/*
 * Adds words to the text. Begins a new line where a word would pass the column ADVISE_WIDTH. `column` is where further
 * lines begin, and `at` is the column that the text has reached.
 */
static void add_words(struct text *text, const char *words, int at, int column)
{
    while (*words != '\0') {
        int length = (int)strcspn(words, " ");
        if (at > column && at + 1 + length > ADVISE_WIDTH) {
            text_add(text, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            text_add(text, " ");
            at++;
        }
        for (int i = 0; i < length; i++) {
            text_add(text, "%c", words[i]);
        }
        at += length;
        words += length;
        words += strspn(words, " ");
    }
    text_add(text, "\n");
}

static void add_advice(const struct advice *advice, struct text *text)
{
    char words[ADVISE_TEXT_SIZE + 256];
    struct text all = text_begin(words, sizeof words);
    if (advice->saving > 0) {
        shown_mebibytes(advice->saving, 9, text);
    } else {
        text_add(text, "%9s", "-");
    }
    text_add(text, "   ");
    text_add(&all, "%s", advice->setting);
    if (advice->value[0] != '\0') {
        text_add(&all, "=%s", advice->value);
    }
    text_add(&all, ": %s %s", advice->text, advise_purpose(advice));
    add_words(text, words, ADVISE_INDENT, ADVISE_INDENT);
}

void advise_print(const struct advise_result *result, struct text *text)
{
    add_words(text, result->verdict, 0, 0);
    if (result->count == 0) {
        text_add(text, "No setting would save much.\n");
        return;
    }
    text_add(text, "\n%9s\n", "saves MiB");
    for (unsigned i = 0; i < result->count; i++) {
        add_advice(&result->advice[i], text);
    }
}

static void add_member(const char *name, const char *value, struct text *text)
{
    text_add(text, ",\"%s\":", name);
    format_print_json_string(value, text);
}

void advise_print_json(const struct advise_result *result, struct text *text)
{
    text_add(text, "{\"worth\":%s", result->is_worth ? "true" : "false");
    add_member("verdict", result->verdict, text);
    text_add(text, ",\"advice\":[");
    for (unsigned i = 0; i < result->count; i++) {
        const struct advice *advice = &result->advice[i];
        text_add(text, "%s{\"rule\":\"%s\",\"saving\":%lu", i > 0 ? "," : "", names[advice->rule],
                 (unsigned long)advice->saving);
        add_member("setting", advice->setting, text);
        add_member("value", advice->value, text);
        add_member("text", advice->text, text);
        add_member("lines", advice->lines, text);
        add_member("place", advice->place, text);
        text_add(text, "}");
    }
    text_add(text, "]}\n");
}

void advise_print_lines(const struct advise_result *result, struct text *text)
{
    const char *place = "";
    for (unsigned i = 0; i < result->count; i++) {
        const struct advice *advice = &result->advice[i];
        if (strcmp(place, advice->place) != 0 && advice->lines[0] != '\0') {
            text_add(text, "# %s\n", advice->place);
            place = advice->place;
        }
        text_add(text, "%s", advice->lines);
    }
}
