/* Prints a comparison for people: a table of speed, a table of memory, the curves and the verdict. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_PRINT_H
#define SOCKMALLOC_COMPARE_PRINT_H

#include <stdio.h>

#include "base/text.h"
#include "command/compare_result.h"

enum { COMPARE_NUMBER_SIZE = 32, COMPARE_COLUMNS_MAX = 6 };

/* Some figures side by side: the columns of a table. */
struct compare_table {
    int count;
    enum compare_figure figure[COMPARE_COLUMNS_MAX];
    char title[COMPARE_COLUMNS_MAX][COMPARE_NUMBER_SIZE];
};

/* Store the columns of the table of speed, without figures that are unknown, and of the table of memory in MiB. */
void compare_columns_of_speed(const struct compare_result *result, struct compare_table *table);
void compare_columns_of_memory(const struct compare_result *result, struct compare_table *table);

/* Writes a number with three or more digits that count, without an exponent. Writes "-" for NAN. */
void compare_number(double value, char text[COMPARE_NUMBER_SIZE]);

/* Writes the command of the server, with unprintable bytes made visible. */
void compare_describe_command(const struct compare_result *result, struct text *text);

/* Writes in words which load was played, at which port, and in how many rounds. */
void compare_describe_load(const struct compare_result *result, struct text *text);

/* Prints everything. Lines have at most 80 columns, apart from those with the user's own words. */
void compare_print(const struct compare_result *result, FILE *file);

#endif
