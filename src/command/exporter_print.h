/* Prints what `sockmalloc exporter` has read, in the text format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_PRINT_H
#define SOCKMALLOC_EXPORTER_PRINT_H

#include "command/exporter_read.h"

struct exporter_wish {
    bool each; /* true to print figures of each process, false to print their sums for each program */
    bool wide; /* true to print all figures of each bucket, and the histogram of requests */
};

/* Returns the page, which is the text with all metrics that Prometheus reads at once, and stores its length in *size.
 * The caller frees the page. Returns NULL if there is no memory, or if the page would be longer than 256 MiB. */
char *exporter_print(const struct exporter *exporter, const struct exporter_wish *wish, size_t *size);

#endif
