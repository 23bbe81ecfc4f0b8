/* Reads a number as a person types it: decimal digits, and k or m behind them for KiB or MiB. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_NUMBER_H
#define DEMO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the number at the start of `text`. Returns how many characters it has, or 0 if there is no number or it is
 * larger than `largest`. */
size_t number_read(const char *text, uint64_t largest, uint64_t *value);

/* Reads a number from a text that contains nothing else. Returns false if it is not from `smallest` to `largest`. */
bool number_parse(const char *text, uint64_t smallest, uint64_t largest, uint64_t *value);

#endif
