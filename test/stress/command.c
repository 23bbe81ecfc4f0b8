/* Reads the command line of the stress test. Its options set the kind of pool, the numbers of operations and of
 * threads, and some more. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cache/budget.h"
#include "config/setting.h"
#include "staff.h"

enum { SECONDS = 300, SECONDS_MAX = 86400, DECAY = 20, DECAY_MAX = 60000, VALUE_SIZE = 32 };

struct command command;

/* Each option has a row below, with its word, its type, and its default. */
enum row { ROW_POOL, ROW_OPERATIONS, ROW_THREADS, ROW_SEED, ROW_RETAIN, ROW_DECAY, ROW_FORKS, ROW_SECONDS, ROWS };

static const struct {
    const char *word;
    struct setting setting;
    uint64_t initial;
} rows[ROWS] = {
    [ROW_POOL] = {"--pool", {SETTING_POOL, 0, 0}, KIND_THREAD},
    [ROW_OPERATIONS] = {"--operations", {SETTING_COUNT, 1, UINT64_C(1) << 40}, 100000},
    [ROW_THREADS] = {"--threads", {SETTING_COUNT, STAFF_MIN, STAFF_MAX}, 8},
    [ROW_SEED] = {"--seed", {SETTING_COUNT, 1, UINT64_C(1) << 40}, 1},
    [ROW_RETAIN] = {"--retain", {SETTING_LIMIT, 0, UINT64_C(1) << 40}, BUDGET_UNLIMITED},
    [ROW_DECAY] = {"--decay", {SETTING_DELAY, 0, DECAY_MAX}, DECAY},
    [ROW_FORKS] = {"--forks", {SETTING_SWITCH, 0, 0}, 1},
    [ROW_SECONDS] = {"--seconds", {SETTING_COUNT, 1, SECONDS_MAX}, SECONDS},
};

static uint64_t value[ROWS];
static char again[ROWS * VALUE_SIZE];

static __attribute__((noreturn)) void command_refuse(const char *what, const char *word)
{
    fprintf(stderr, "stress: %s %s; it takes", what, word);
    for (unsigned row = 0; row < ROWS; row++) {
        char buffer[128];
        struct text text = text_begin(buffer, sizeof buffer);
        setting_describe(&rows[row].setting, &text);
        fprintf(stderr, "%s %s (%s)", row > 0 ? "," : "", rows[row].word, buffer);
    }
    fprintf(stderr, "\n");
    exit(2);
}

static unsigned command_find(const char *word)
{
    for (unsigned row = 0; row < ROWS; row++) {
        if (strcmp(rows[row].word, word) == 0) {
            return row;
        }
    }
    command_refuse("does not know", word);
}

/* Writes the text that command_text returns. This is done once, after the command line was read, so that a signal
 * handler which needs the text does not have to format it. */
static void command_write(void)
{
    struct text text = text_begin(again, sizeof again);
    for (unsigned row = 0; row < ROWS; row++) {
        text_add(&text, row > 0 ? " %s " : "%s ", rows[row].word);
        setting_print(rows[row].setting.kind, value[row], &text);
    }
}

void command_read(int count, char **words)
{
    for (unsigned row = 0; row < ROWS; row++) {
        value[row] = rows[row].initial;
    }
    for (int i = 1; i < count; i += 2) {
        unsigned row = command_find(words[i]);
        if (i + 1 == count || !setting_read(&rows[row].setting, words[i + 1], &value[row])) {
            command_refuse("has no use for what follows", words[i]);
        }
    }
    command = (struct command){.kind = (enum kind)value[ROW_POOL],
                               .operations = value[ROW_OPERATIONS],
                               .threads = (unsigned)value[ROW_THREADS],
                               .seed = value[ROW_SEED],
                               .retain = value[ROW_RETAIN],
                               .decay = value[ROW_DECAY],
                               .forks = value[ROW_FORKS] != 0,
                               .seconds = (unsigned)value[ROW_SECONDS]};
    command_write();
}

const char *command_text(void)
{
    return again;
}
