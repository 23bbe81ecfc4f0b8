/* Reads figures and flags of one of this process's mappings from /proc/self/smaps. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_SMAPS_H
#define SOCKMALLOC_TEST_SMAPS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Returns the figure `name`, such as "Rss", of the mapping that contains the address, in bytes. For a block of the
 * pools, this mapping is the part of the pools' range that is accessible. The function allocates only a FILE of stdio,
 * whose buffer is static. A FILE is too small for the pools, so the pools' figures do not change. Only one thread at a
 * time may call it.
 */
uint64_t smaps_figure(const void *address, const char *name);

/*
 * Returns true if the mapping that contains the address has `flag` in its line VmFlags, such as "nh" for no huge pages.
 */
bool smaps_has_flag(const void *address, const char *flag);

#endif
