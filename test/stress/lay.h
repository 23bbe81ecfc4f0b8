/* Sets up the library's tables, its range of addresses and its pools as the library does at start-up, but smaller. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_LAY_H
#define STRESS_LAY_H

#include <stdbool.h>

#include "memory/bucket.h"

/* Returns the number of pages in the range. The number of every slot is smaller than this. */
uint32_t lay_pages(void);

extern struct bucket_plan lay_plan;

/*
 * Sets up the pools, with a range of 8 MiB for seven buckets. The range is so small that it is full at times, the slots
 * are reused again and again, and addresses pass from one bucket to another. Returns false if this machine does not
 * support the kind of pool of the command line.
 */
bool lay_rooms(void);

/* Returns true if the bucket has no magazines. Then each of its requests uses a stack that all threads share. */
bool lay_is_free(unsigned bucket);

#endif
