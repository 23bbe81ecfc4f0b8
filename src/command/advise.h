/* The interface of the rules of `sockmalloc advise`: they judge if the library's pools are worth while in a server, and
 * which settings would save how much memory. */
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

/* The facts from which advise_judge judges a server. */
struct advise_facts {
    const struct snapshot *snapshot;
    /* the total figures of a snapshot that was taken before `snapshot`, by a second or by the time of --sample; or
     * NULL */
    const struct snapshot_figures *former;
    const struct bucket_plan *plan;
    const struct option_set *settings;
    const struct remote_memory *memory; /* NULL if the memory is unknown */
    /* counts of requests of all sizes; NULL if requests below 2048 bytes were not counted */
    const struct traffic *traffic;
    /* sizes of the requests in slots in use; if NULL, advise_judge estimates them */
    const struct remote_sizes *sizes;
    unsigned threads; /* 0 if unknown */
    unsigned processors;
};

enum { ADVISE_LEAST = 256 << 10, ADVISE_TEXT_SIZE = 320, ADVISE_LINES_SIZE = 160 };

struct advice {
    enum advise_rule rule;
    /* bytes that the advice would save; 0 if it saves no memory, or if the saving is unknown */
    uint64_t saving;
    /* the environment variable, or the server's own setting, that the advice would change */
    char setting[48];
    char value[24];              /* the new value of `setting`; "" if there is no single value */
    char text[ADVISE_TEXT_SIZE]; /* a sentence that says what was found */
    /* lines to add to the environment or the server's configuration, each with a line end */
    char lines[ADVISE_LINES_SIZE];
    const char *place; /* the name of the place to which the user adds `lines` */
};

struct advise_result {
    bool is_worth;
    char verdict[ADVISE_TEXT_SIZE]; /* a sentence */
    unsigned count;
    struct advice advice[ADVISE_RULES]; /* sorted by their saving, the largest one first */
};

/* Judges a server by the facts, and stores the verdict and all advices in *result. */
void advise_judge(const struct advise_facts *facts, struct advise_result *result);

/* Returns a sentence that tells the user what to do to follow the advice, and what doing it costs. */
const char *advise_purpose(const struct advice *advice);

/*
 * advise_print prints the verdict and all advices as text, in lines of at most 80 columns. advise_print_json prints
 * them as one line of JSON. advise_print_lines prints only the lines that the advices add to the environment and to the
 * server's configuration, each group of lines after a comment line that names the place.
 */
void advise_print(const struct advise_result *result, struct text *text);
void advise_print_json(const struct advise_result *result, struct text *text);
void advise_print_lines(const struct advise_result *result, struct text *text);

#endif
