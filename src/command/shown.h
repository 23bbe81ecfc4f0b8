/* Writes figures and names in columns, as the tables of the command show them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SHOWN_H
#define SOCKMALLOC_SHOWN_H

#include <stdint.h>

#include "base/text.h"

/*
 * Appends a number of bytes as MiB with one decimal digit, at the right end of a column of `width` characters. Appends
 * "-" if `bytes` is SNAPSHOT_UNKNOWN.
 */
void shown_mebibytes(uint64_t bytes, int width, struct text *text);

/*
 * Appends a name at the left end of a column of `width` characters. Shows unprintable bytes as text_add_shown does,
 * because the name may come from another user. Cuts a longer name. Appends "-" if the name is empty.
 */
void shown_name(const char *name, int width, struct text *text);

#endif
