/* The rows of the benchmark program, and the one way in which a row reports what it measured. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

/* Each measures one row (or group of rows) in the process that it runs in. `argument` is what stood
 * behind the row's name on the command line; most rows take none and get NULL. */
void row_pair(const char *argument);
void row_window(const char *argument);
void row_small(const char *argument);
void row_mix(const char *argument);
void row_handoff(const char *argument);
void row_conns(const char *argument);
void row_burst(const char *argument);
void row_span(const char *argument);
void row_grow(const char *argument);
void row_cow(const char *argument);
void row_load(const char *argument);
void row_zeroed(const char *argument);
void row_cleared(const char *argument);
void row_filled(const char *argument);
void row_discard(const char *argument);
void row_stall(const char *argument);
void row_memory(const char *argument);

/* Prints `row value unit`, the line that the driver reads. Only called when the measuring is over: the standard streams
 * may themselves ask for memory. NAN says that this allocator has no such figure. */
void bench_report(const char *row, double value, const char *unit);

/* Ends the program with one line on standard error that names `what` went wrong, and errno's text. */
_Noreturn void bench_fail(const char *what);

/* Reads `text` as a whole number of at least one, or ends the program. */
unsigned long bench_number(const char *text);

/* Writes the name of a row for one size, as in `pair.64k` and `pair.1m`. */
void bench_size_name(char *name, size_t room, const char *row, size_t kibibytes);

#endif
