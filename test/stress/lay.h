/* Lays the rooms as birth lays them, only small, for the pool that the command line names. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_LAY_H
#define STRESS_LAY_H

#include <stdbool.h>

#include "bucket.h"

extern struct bucket_plan lay_plan;

/*
 * The lanes have 1 MiB each: from 128 slots down to 3, so that they run full and their slots are
 * used again and again. False if the pool can't be had on this machine.
 */
bool lay_rooms(void);

/* Whether every request of the bucket goes to the stacks: it has no magazines. */
bool lay_is_loose(unsigned bucket);

#endif
