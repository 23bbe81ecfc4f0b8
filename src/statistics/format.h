/* Prints a snapshot of the statistics in the chosen format. All formats have the same figures, because they are made
 * from the same rows of snapshot.h. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FORMAT_H
#define SOCKMALLOC_FORMAT_H

#include "base/attributes.h"
#include "base/text.h"
#include "config/choices.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/* FORMAT_SIZE is the largest size in bytes of a snapshot in any format. FORMAT_TEXT_SIZE is the largest size in the
 * text format, in which the last line is included. */
enum { FORMAT_SIZE = 256 << 10, FORMAT_TEXT_SIZE = 24576 };

/*
 * The version of the JSON's layout, which is the first member of the JSON. The version changes when a member is removed
 * or gets another meaning. A new member does not change the version.
 */
enum { FORMAT_JSON_VERSION = 1 };

/*
 * Prints the snapshot into `text` in the given format, except for the last line of the text format, which
 * format_print_end prints. `plan` has the labels of the buckets; the settings printed are those of `options`. Signal
 * handlers may call the function, which takes no lock, allocates nothing, and uses less than 2 KiB of stack.
 */
INTERNAL void format_print(enum format format, const struct snapshot *snapshot, const struct bucket_plan *plan,
                           struct text *text);

/*
 * Prints the line that ends a snapshot in the text format. Prints nothing in other formats. The line comes after the
 * list of blocks in use, if there is one. Signal handlers may call this function.
 */
INTERNAL void format_print_end(enum format format, const struct snapshot *snapshot, struct text *text);

/* Prints the line of the text format that says how many of the requested bytes the pools served, in percent. */
INTERNAL void format_print_served_share(const struct snapshot_figures *total, const struct bucket_plan *plan,
                                        struct text *text);

/* --- for the files of the single formats --- */

/* Prints `share`, which is in ten-thousandths, as a number from 0 to 1, for example "0.8003". The formats JSON and
 * Prometheus use this form. */
INTERNAL void format_print_share(uint64_t share, struct text *text);

/*
 * Prints a string in quotes. Names of programs and paths are bytes in an unknown encoding. A byte that is not ASCII is
 * printed as the character of the same number, from which a reader can restore the byte.
 */
INTERNAL void format_print_json_string(const char *string, struct text *text);

INTERNAL void format_print_text(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text);
INTERNAL void format_print_text_end(const struct snapshot *snapshot, struct text *text);
INTERNAL void format_print_json(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text);
INTERNAL void format_print_prometheus(const struct snapshot *snapshot, const struct bucket_plan *plan,
                                      struct text *text);

#endif
