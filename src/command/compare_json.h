/* Prints a comparison as one object of JSON. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_JSON_H
#define SOCKMALLOC_COMPARE_JSON_H

#include <stdio.h>

#include "command/compare_result.h"

/* Prints all figures of all rounds, their medians and ranges, the curves of the memory over time, and the verdict. */
void compare_print_json(const struct compare_result *result, FILE *file);

#endif
