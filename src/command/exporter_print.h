/* Prints what `sockmalloc exporter` has read, in the text format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_PRINT_H
#define SOCKMALLOC_EXPORTER_PRINT_H

#include "command/exporter_read.h"

struct exporter_wish {
    bool each; /* true for series of each process, false for the sums of each program */
    bool wide; /* true for all figures by bucket */
};

/*
 * Returns the page as text, and stores its length in *size. The caller frees the page. Returns NULL if there is no
 * memory.
 */
char *exporter_print(const struct exporter *exporter, const struct exporter_wish *wish, size_t *size);

#endif
