/* Judges a server by the figures in a file of statistics. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ADVISE_SOURCE_H
#define SOCKMALLOC_ADVISE_SOURCE_H

#include "command/advise.h"
#include "command/report_source.h"

/*
 * Judges the server whose statistics the file holds, by the sample with the most resident memory. A setting that the
 * file lacks counts with its default value.
 */
void advise_source_judge(const struct report_source *source, struct advise_result *result);

#endif
