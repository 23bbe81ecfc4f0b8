/* Lays the tables, the range and the pools as the start of the library does, only small. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_LAY_H
#define STRESS_LAY_H

#include <stdbool.h>

#include "memory/bucket.h"

/* Pages of the range: numbers of slots are less. */
uint32_t lay_pages(void);

extern struct bucket_plan lay_plan;

/* The range has 8 MiB for seven buckets, so that it runs full, its slots are used again and again, and addresses go
 * from one bucket to another. False if the pool can't be had on this machine. */
bool lay_rooms(void);

/* Returns true if the bucket has no magazines, so that each of its requests goes to a stack. */
bool lay_is_free(unsigned bucket);

#endif
