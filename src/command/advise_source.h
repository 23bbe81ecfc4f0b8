/* Judges by the figures in a file of statistics if the library's pools are worth while in a server. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ADVISE_SOURCE_H
#define SOCKMALLOC_ADVISE_SOURCE_H

#include "command/advise.h"
#include "command/report_source.h"

/*
 * Judges the server whose statistics the file holds, by the sample with the most resident memory. Takes the default
 * value for a setting that the file lacks.
 */
void advise_source_judge(const struct report_source *source, struct advise_result *result);

#endif
