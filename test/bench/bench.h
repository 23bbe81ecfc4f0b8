/* Declares the rows of the benchmark program, and the functions by which a row reports its results. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

/* Each of these functions measures one row, or a group of rows, in this process. `argument` is the word behind the
 * row's name on the command line; it is NULL for a row that has no argument. */
void row_pair(const char *argument);
void row_window(const char *argument);
void row_small(const char *argument);
void row_message(const char *argument);
void row_mix(const char *argument);
void row_handoff(const char *argument);
void row_conns(const char *argument);
void row_live(const char *argument);
void row_burst(const char *argument);
void row_span(const char *argument);
void row_grow(const char *argument);
void row_great(const char *argument);
void row_drawn(const char *argument);
void row_cow(const char *argument);
void row_load(const char *argument);
void row_fresh(const char *argument);
void row_zeroed(const char *argument);
void row_cleared(const char *argument);
void row_filled(const char *argument);
void row_discard(const char *argument);
void row_stall(const char *argument);
void row_waves(const char *argument);
void row_idle(const char *argument);
void row_trim(const char *argument);
void row_ring(const char *argument);
void row_relay(const char *argument);
void row_fixed(const char *argument);
void row_crowd(const char *argument);
void row_memory(const char *argument);

/* Prints `row value unit`, which scripts/bench reads. A row never calls this function while it measures, because stdout
 * may allocate memory. The value NAN means that this allocator has no such figure. */
void bench_report(const char *row, double value, const char *unit);

/* Prints a line on stderr, and ends the program. The line has `what` and the text of errno, or "cannot be done" if
 * errno is 0. */
_Noreturn void bench_fail(const char *what);

/* Returns the number that `text` holds. Ends the program unless the text is a whole number of at least 1. */
unsigned long bench_number(const char *text);

/* Writes to `name`, which has `room` bytes, the name of a row with its size, such as `pair.64k` or `pair.1m`. */
void bench_size_name(char *name, size_t room, const char *row, size_t kibibytes);

#endif
