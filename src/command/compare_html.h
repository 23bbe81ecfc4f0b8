/* Draws a comparison as one page of HTML that needs no other file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_HTML_H
#define SOCKMALLOC_COMPARE_HTML_H

#include <stdio.h>

#include "command/compare_result.h"

/*
 * Prints the page: the verdict, the curves as SVG, and both tables with the ranges of the rounds. The page has no
 * script, and has colours for light and for dark screens.
 */
void compare_print_html(const struct compare_result *result, FILE *file);

#endif
