/* A snapshot in words: the same figures in each format, from the same rows. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FORMAT_H
#define SOCKMALLOC_FORMAT_H

#include "base/attributes.h"
#include "base/text.h"
#include "config/formats.h"
#include "memory/bucket.h"
#include "statistics/snapshot.h"

/* Bytes that a snapshot takes at most, whatever the format, with its end. */
enum { FORMAT_SIZE = 80 << 10 };

/* The layout of the JSON, which is its first figure. It changes when something goes or has another
 * meaning; that something comes is no change. */
enum { FORMAT_JSON_VERSION = 1 };

/*
 * Writes the snapshot; `plan` names its buckets, and the settings are those of `options`. What
 * belongs to a text and is no figure (report_print_end) is not yet there. Signal-safe; no lock, no
 * malloc, under 2 KiB of stack.
 */
INTERNAL void format_print(enum format format, const struct snapshot *snapshot, const struct bucket_plan *plan,
                           struct text *text);

/* What says that the snapshot ends here, and a list that came with it: a line of the text alone. */
INTERNAL void format_print_end(enum format format, const struct snapshot *snapshot, struct text *text);

/* --- the formats that no person reads --- */

/* A share as a number up to 1: "0.8003". */
INTERNAL void format_print_share(uint64_t share, struct text *text);

INTERNAL void format_print_json(const struct snapshot *snapshot, const struct bucket_plan *plan, struct text *text);
INTERNAL void format_print_prometheus(const struct snapshot *snapshot, const struct bucket_plan *plan,
                                      struct text *text);

#endif
