/* The one reservation of address space, cut into the tables and the lanes at birth. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RESERVE_H
#define SOCKMALLOC_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Takes `size` bytes of address space, which should end at `wished_end` unless that is NULL. At
 * birth, by one thread. False if the kernel has no such range, there or elsewhere.
 */
bool reserve_open(size_t size, char *wished_end);

/*
 * The next `size` bytes (whole pages) of the reservation, never given back. At birth, by one
 * thread; the caller of reserve_open counted them, so they are there.
 */
char *reserve_cut(size_t size);

#endif
