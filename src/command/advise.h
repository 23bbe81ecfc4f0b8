/* Says if the pools are worth while in a server, and which settings would save how much memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ADVISE_H
#define SOCKMALLOC_ADVISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "command/advise_rows.h"
#include "command/remote_memory.h"
#include "command/remote_sizes.h"
#include "command/traffic.h"
#include "config/option.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

enum advise_rule {
#define ADVISE_RULE(name, setting, condition, text) ADVISE_##name,
    ADVISE_ROWS(ADVISE_RULE)
#undef ADVISE_RULE
        ADVISE_RULES
};

/* What is known of a server. */
struct advise_facts {
    const struct snapshot *snapshot;
    const struct snapshot_figures *former; /* total figures of a second or more earlier, or NULL */
    const struct bucket_plan *plan;
    const struct option_set *settings;
    const struct remote_memory *memory; /* NULL if it is unknown */
    const struct traffic *traffic;      /* of all sizes; NULL if only the pools' own sizes are known */
    const struct remote_sizes *sizes;   /* of the live slots; NULL if they are unknown, and are estimated */
    unsigned threads;                   /* 0 if unknown */
    unsigned processors;
};

enum { ADVISE_LEAST = 256 << 10, ADVISE_TEXT_SIZE = 320, ADVISE_LINES_SIZE = 160 };

struct advice {
    enum advise_rule rule;
    uint64_t saving;               /* bytes; 0 if it saves no memory or that is unknown */
    char setting[48];              /* the variable, or the server's own setting */
    char value[24];                /* its new value; "" if that is not one value */
    char text[ADVISE_TEXT_SIZE];   /* a sentence */
    char lines[ADVISE_LINES_SIZE]; /* for the environment or the server's configuration, each with a line end */
    const char *place;             /* where the lines belong */
};

struct advise_result {
    bool is_worth;
    char verdict[ADVISE_TEXT_SIZE]; /* a sentence */
    unsigned count;
    struct advice advice[ADVISE_RULES]; /* the largest saving first */
};

/* Judges a server by its figures. */
void advise_judge(const struct advise_facts *facts, struct advise_result *result);

/* Returns a sentence that says what an advice does, and what that costs. */
const char *advise_purpose(const struct advice *advice);

/*
 * Print the result: as text with the verdict first, in lines of at most 80 columns; as one line of JSON; and as lines
 * for the environment and the server's configuration.
 */
void advise_print(const struct advise_result *result, struct text *text);
void advise_print_json(const struct advise_result *result, struct text *text);
void advise_print_lines(const struct advise_result *result, struct text *text);

#endif
