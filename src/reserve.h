/* The one reservation of address space, cut into the tables and the lanes at birth. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RESERVE_H
#define SOCKMALLOC_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* Takes `size` bytes of address space. At birth, by one thread. False if the kernel has no such
 * range. */
bool reserve_open(size_t size);

/*
 * The next `size` bytes (whole pages) of the reservation, never given back. At birth, by one
 * thread; the caller of reserve_open counted them, so they are there.
 */
char *reserve_cut(size_t size);

#endif
