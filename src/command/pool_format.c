/* Prints the figures of the named fixed-size pools that processes use by the functions sockmalloc_pool_*, as JSON and
 * in the format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/pool_format.h"

#include <stddef.h>
#include <string.h>

#include "statistics/format.h"

struct pool_row {
    const char *name;
    const char *unit;
    const char *help;
    bool is_counter;
    size_t offset; /* offset of the figure in struct fixed_figures */
};

static const struct pool_row rows[] = {
#define POOL_ROW(name, unit, help) {#name, unit, help, false, offsetof(struct fixed_figures, name)},
    FIXED_FIGURE_ROWS(POOL_ROW)
#undef POOL_ROW
#define POOL_ROW(name, unit, help) {#name, unit, help, true, offsetof(struct fixed_figures, name)},
        FIXED_EVENT_ROWS(POOL_ROW)
#undef POOL_ROW
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static uint64_t figure(const struct remote_pool *pool, const struct pool_row *row)
{
    return *(const uint64_t *)(const void *)((const char *)&pool->figures + row->offset);
}

void pool_format_json(const struct remote_pools *pools, struct text *text)
{
    for (unsigned i = 0; i < pools->count; i++) {
        const struct remote_pool *pool = &pools->pool[i];
        text_add(text, i > 0 ? ",{\"pool\":" : ",\"pools\":[{\"pool\":");
        format_print_json_string(pool->name, text);
        text_add(text, ",\"block\":%lu", (unsigned long)pool->block);
        for (unsigned row = 0; row < ROWS; row++) {
            text_add(text, ",\"%s\":%lu", rows[row].name, (unsigned long)figure(pool, &rows[row]));
        }
        text_add(text, i + 1 < pools->count ? "}" : "}]");
    }
    buffer_format_json(&pools->buffers, text);
}

/* Returns true if the figure never falls while the process runs: if `is_counter` of its row is true, or if the row's
 * unit is "events". */
static bool is_counter(const struct pool_row *row)
{
    return row->is_counter || strcmp(row->unit, "events") == 0;
}

static bool is_short(const struct pool_row *row)
{
    static const char *const names[] = {"live", "carved", "memory", "requests", "refusals"};
    bool is_one = false;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        is_one = is_one || strcmp(row->name, names[i]) == 0;
    }
    return is_one;
}

/* Prints one figure of all pools in the format of Prometheus, a line for each pool. */
static void print_samples(const char *name, const struct pool_subject *subject, unsigned count,
                          const struct pool_row *row, struct text *text)
{
    for (unsigned i = 0; i < count; i++) {
        for (unsigned at = 0; at < subject[i].pools->count; at++) {
            const struct remote_pool *pool = &subject[i].pools->pool[at];
            text_add(text, "%s{pool=\"", name);
            prometheus_print_value(pool->name, text);
            text_add(text, "\",block=\"%lu\",%s} %lu\n", (unsigned long)pool->block, subject[i].labels,
                     (unsigned long)figure(pool, row));
        }
    }
}

void pool_format_prometheus(const struct pool_subject *subject, unsigned count, enum prometheus_detail detail,
                            struct text *text)
{
    unsigned pools = 0;
    for (unsigned i = 0; i < count; i++) {
        pools += subject[i].pools->count;
    }
    for (unsigned row = 0; pools > 0 && row < ROWS; row++) {
        char buffer[64];
        struct text name = text_begin(buffer, sizeof buffer);
        bool has_unit = strcmp(rows[row].unit, "events") != 0 && strcmp(rows[row].unit, rows[row].name) != 0;
        text_add(&name, "sockmalloc_pool_%s%s%s%s", rows[row].name, has_unit ? "_" : "", has_unit ? rows[row].unit : "",
                 is_counter(&rows[row]) ? "_total" : "");
        if (detail == PROMETHEUS_WIDE || is_short(&rows[row])) {
            prometheus_print_head(buffer, is_counter(&rows[row]) ? "counter" : "gauge", rows[row].help, text);
            print_samples(buffer, subject, count, &rows[row], text);
        }
    }
    buffer_format_prometheus(subject, count, text);
}
