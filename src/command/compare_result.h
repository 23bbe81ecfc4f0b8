/* Has the figures of a comparison: one value for each allocator and round, and their medians and ranges. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_RESULT_H
#define SOCKMALLOC_COMPARE_RESULT_H

#include <stdbool.h>

#include "command/compare_answer.h"
#include "command/compare_peers.h"

/*
 * Columns of each row: name, key in JSON, `true` if more is better, and the percents by which two medians must differ
 * to count as different, in a comparison of one round. The percents are lower for CPU, page faults and memory, because
 * a single measurement of them varies less than a measurement of time. A figure that is not known is NAN. Figures per
 * request are known only if the load says how many requests it has made.
 */
#define COMPARE_FIGURE_ROWS(ROW)                                                                                       \
    ROW(RATE, "requests_per_second", true, 25)                                                                         \
    ROW(CPU, "cpu_us_per_request", false, 10)                                                                          \
    ROW(FAULTS, "faults_per_request", false, 10)                                                                       \
    ROW(P99, "p99_ms", false, 50)                                                                                      \
    ROW(LOAD_SECONDS, "load_seconds", false, 25)                                                                       \
    ROW(LOAD_CPU, "cpu_seconds_of_load", false, 10)                                                                    \
    ROW(LOAD_FAULTS, "faults_of_load", false, 10)                                                                      \
    ROW(START, "start_mib", false, 10)                                                                                 \
    ROW(STEADY, "before_burst_mib", false, 10)                                                                         \
    ROW(PEAK, "peak_mib", false, 10)                                                                                   \
    ROW(SOON, "soon_mib", false, 10)                                                                                   \
    ROW(LATE, "late_mib", false, 10)

enum compare_figure {
#define COMPARE_FIGURE(name, key, more, least) COMPARE_##name,
    COMPARE_FIGURE_ROWS(COMPARE_FIGURE)
#undef COMPARE_FIGURE
        COMPARE_FIGURES
};

/*
 * The curve of an allocator shows the server's memory over time, with a value in MiB for each step of time. The curve
 * begins COMPARE_CURVE_BEFORE seconds before the end of the burst, which is when the slow clients leave or the user's
 * load ends. The curve ends some seconds after the burst, when the last memory figure (COMPARE_LATE) is measured.
 */
enum { COMPARE_ROUNDS_MAX = 50, COMPARE_CURVE_BEFORE = 2, COMPARE_STEPS_A_SECOND = 10, COMPARE_LATE_MAX = 60 };
enum { COMPARE_STEPS_MAX = (COMPARE_CURVE_BEFORE + COMPARE_LATE_MAX) * COMPARE_STEPS_A_SECOND + 1 };

struct compare_turn {
    double figure[COMPARE_FIGURES];
    float curve[COMPARE_STEPS_MAX];
};

struct compare_allocator {
    struct compare_peer peer;
    bool is_dropped;  /* true if the server did not work under this allocator */
    char reason[256]; /* why the allocator was left out */
    int rounds;       /* the number of rounds that were measured under this allocator */
    struct compare_turn *turns;
};

struct compare_result {
    char *const *command; /* of the server */
    const char *load;     /* the user's command for the load, or NULL */
    const char *path;
    const char *slow_path;
    enum compare_protocol protocol;
    int port;
    bool port_is_given; /* false if the command found the port itself */
    int connections;
    int clients;
    double seconds;
    double soon; /* the time of the early memory figure, in seconds after the end of the burst of load */
    double late;
    int rounds;
    int count; /* the number of allocators; sockmalloc is the last one */
    struct compare_allocator allocators[COMPARE_PEERS_MAX + 1];
};

/*
 * The median of a figure over all rounds, and its least and greatest value. All three are NAN if the figure is unknown.
 */
struct compare_spread {
    double median;
    double low;
    double high;
};

const char *compare_figure_key(enum compare_figure figure);
bool compare_figure_is_more_better(enum compare_figure figure);

/* Returns the least difference of two medians that counts as a difference: 0.03 is 3 percent. */
double compare_figure_least(enum compare_figure figure, int rounds);

struct compare_spread compare_spread_of(const struct compare_allocator *allocator, enum compare_figure figure);

/* Returns the memory in MiB at a step of the curve: the median of all rounds. */
double compare_curve_at(const struct compare_allocator *allocator, int step);

/* Returns how many steps the curves of this comparison have. */
int compare_curve_steps(const struct compare_result *result);

/* Returns the time of a step of the curve, in seconds after the end of the burst of load. The time is negative for a
 * step before that end. */
double compare_curve_second(int step);

/* Returns the greatest value of all curves in MiB, but at least 1. */
double compare_curve_most(const struct compare_result *result);

#endif
