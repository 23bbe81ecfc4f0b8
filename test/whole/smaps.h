/* Figures and flags of one of this process's mappings, as /proc/self/smaps has them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_SMAPS_H
#define SOCKMALLOC_TEST_SMAPS_H

#include <stdbool.h>
#include <stdint.h>

/* The line of that name in /proc/self/smaps, "Rss" say, in bytes, of the mapping that the address lies in: of a block
 * of the pools, all that can be touched of its region. Allocates nothing but the stream, which is too small for the
 * pools. By one thread. */
uint64_t smaps_figure(const void *address, const char *name);

/* Returns true if the line VmFlags of the address's mapping has the flag, such as "nh" for no huge pages. */
bool smaps_has_flag(const void *address, const char *flag);

#endif
