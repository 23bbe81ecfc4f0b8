/* Draws a comparison as one page of HTML that needs no other file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_HTML_H
#define SOCKMALLOC_COMPARE_HTML_H

#include <stdio.h>

#include "command/compare_result.h"

/*
 * Prints the page: the verdict, the curves of the memory over time with their table, and the tables of memory and
 * speed. These tables have the medians of all rounds, and the least and greatest values. The page is made by the
 * functions of page.h.
 */
void compare_print_html(const struct compare_result *result, FILE *file);

#endif
