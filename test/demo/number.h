/* Reads a number as a person types it: decimal digits, which k or m may follow for KiB or MiB. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DEMO_NUMBER_H
#define DEMO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stores the number at the start of `text` in `value`. Returns how many characters the number has, or 0 if there is no
 * number or the number is larger than `largest`. */
size_t number_read(const char *text, uint64_t largest, uint64_t *value);

/* Reads `text`, which must be one number and nothing else, and stores the number in `value`. Returns false if `text` is
 * anything else, or if the number is not from `smallest` to `largest`. */
bool number_parse(const char *text, uint64_t smallest, uint64_t largest, uint64_t *value);

#endif
