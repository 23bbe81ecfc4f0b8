/* The columns, the sort orders and the keys of `sockmalloc top`: one row for each. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TOP_ROWS_H
#define SOCKMALLOC_TOP_ROWS_H

/*
 * These rows are used by the screen, its help, the batch mode and the man page. The columns of a row: name in struct
 * top_figures, heading of at most five letters, least width of a terminal that shows the column, help.
 */
#define TOP_COLUMN_ROWS(ROW)                                                                                           \
    ROW(live, "live", 0, "slots in use")                                                                               \
    ROW(cached, "cache", 100, "free slots in caches")                                                                  \
    ROW(resident, "mem", 0, "resident bytes of the pools")                                                             \
    ROW(rss, "rss", 0, "resident bytes of the process, as the kernel counts")                                          \
    ROW(cpu, "cpu", 46, "processor time, in percent of one processor")                                                 \
    ROW(rate, "req/s", 0, "requests per second that the pools serve")                                                  \
    ROW(hits, "hits", 52, "share of these that a cache served")                                                        \
    ROW(fell, "fell", 72, "share of the requests of the pools' sizes that fell through")                               \
    ROW(filled, "fill", 72, "share of the slots' capacity that was requested")

/* The heading of the bar at the end of a line. */
#define TOP_BAR_HEADING "share of mem"
#define TOP_BAR_HELP    "mem as a share: of the largest process, or of all buckets"

/* The sort orders. The columns of a row: name, key, word in the title, help. */
#define TOP_ORDER_ROWS(ROW)                                                                                            \
    ROW(RATE, 'r', "rate", "requests per second")                                                                      \
    ROW(LIVE, 'l', "live", "slots in use")                                                                             \
    ROW(CACHED, 'c', "cached", "free slots in caches")                                                                 \
    ROW(RESIDENT, 'm', "memory", "memory of the pools")                                                                \
    ROW(RSS, 's', "rss", "memory of the process")                                                                      \
    ROW(CPU, 'u', "cpu", "processor time")                                                                             \
    ROW(HITS, 'h', "hits", "share that a cache served")                                                                \
    ROW(FELL, 't', "fell", "share that fell through")                                                                  \
    ROW(PROCESS, 'p', "process", "process id")

/* The keys of the full screen. The columns of a row: the key as it is written, help. */
#define TOP_KEY_ROWS(ROW)                                                                                              \
    ROW("q", "quits")                                                                                                  \
    ROW("?", "shows the keys and the columns; any key goes back")                                                      \
    ROW("up, down", "selects the process whose buckets the lower part shows")                                          \
    ROW("f", "shows workers by themselves, or adds them to their master again")

enum top_order {
#define TOP_ORDER(name, key, word, help) TOP_BY_##name,
    TOP_ORDER_ROWS(TOP_ORDER)
#undef TOP_ORDER
};

enum top_column {
#define TOP_COLUMN(name, heading, from, help) TOP_COLUMN_##name,
    TOP_COLUMN_ROWS(TOP_COLUMN)
#undef TOP_COLUMN
        TOP_COLUMNS
};

#endif
