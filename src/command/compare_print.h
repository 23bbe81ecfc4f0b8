/*
 * Prints a comparison for people: a table of speed, a table of memory, curves of the memory over time, and the verdict.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_PRINT_H
#define SOCKMALLOC_COMPARE_PRINT_H

#include <stdio.h>

#include "base/text.h"
#include "command/compare_result.h"

enum { COMPARE_NUMBER_SIZE = 32, COMPARE_COLUMNS_MAX = 6 };

/* The columns of a table. Each column shows one figure of the comparison. */
struct compare_table {
    int count;
    enum compare_figure figure[COMPARE_COLUMNS_MAX];
    char title[COMPARE_COLUMNS_MAX][COMPARE_NUMBER_SIZE];
};

/*
 * compare_columns_of_speed stores the columns of the table of speed, without figures that are unknown.
 * compare_columns_of_memory stores the columns of the table of memory, in MiB.
 */
void compare_columns_of_speed(const struct compare_result *result, struct compare_table *table);
void compare_columns_of_memory(const struct compare_result *result, struct compare_table *table);

/* Writes a number with at least three significant digits and without an exponent. Writes "-" for NAN. */
void compare_number(double value, char text[COMPARE_NUMBER_SIZE]);

/* Writes the command of the server, with unprintable bytes made visible. */
void compare_describe_command(const struct compare_result *result, struct text *text);

/* Writes in words which load was run, at which port, and in how many rounds. */
void compare_describe_load(const struct compare_result *result, struct text *text);

/* Prints the whole comparison as text. Lines have at most 80 columns, except lines that contain text of the user, such
 * as the command. */
void compare_print(const struct compare_result *result, FILE *file);

#endif
