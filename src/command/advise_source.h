/* Judges a server by what a file of statistics has of it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ADVISE_SOURCE_H
#define SOCKMALLOC_ADVISE_SOURCE_H

#include "command/advise.h"
#include "command/report_source.h"

/*
 * Judges the server by the sample with the most resident memory. A setting that the file does not have counts as its
 * default.
 */
void advise_source_judge(const struct report_source *source, struct advise_result *result);

#endif
