/* Writes figures and names in columns, as the tables of the command show them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SHOWN_H
#define SOCKMALLOC_SHOWN_H

#include <stdint.h>

#include "base/text.h"

/* Appends bytes as MiB, with one digit behind the point, at the right end of `width` characters. Appends "-" if `bytes`
 * is SNAPSHOT_UNKNOWN. */
void shown_mebibytes(uint64_t bytes, int width, struct text *text);

/*
 * Appends a name that may belong to another user at the left end of `width` characters, as text_add_shown does. A
 * longer name is cut. Appends "-" if the name is empty.
 */
void shown_name(const char *name, int width, struct text *text);

#endif
