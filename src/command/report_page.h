/* Writes the HTML page of `sockmalloc report`: charts and tables of the statistics of servers, which were read from
 * files. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REPORT_PAGE_H
#define SOCKMALLOC_REPORT_PAGE_H

#include <stdio.h>

#include "command/report_source.h"

/* Writes the page of these servers, of which there must be at least one. */
void report_page_print(const struct report_sources *sources, FILE *file);

#endif
