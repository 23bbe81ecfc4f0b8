/* A window of addresses in which nothing is mapped, divided among the tables at start. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RESERVE_H
#define SOCKMALLOC_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Chooses a window of `size` bytes. It ends just below `wished_end`, if that is not NULL and nothing is mapped there;
 * else it lies elsewhere. Nothing is mapped afterwards, so the window may not stay free, and each table is prepared to
 * find another mapping in its way. One thread calls it at start-up. Returns false if the kernel has no such range of
 * addresses.
 */
bool reserve_open(size_t size, char *wished_end);

/*
 * Returns the start of the next `size` bytes of the window, which must be whole pages. The page behind them stays
 * unmapped. One thread calls it at start-up. It cannot fail, because the size for reserve_open is the sum of
 * reserve_space over all parts.
 */
char *reserve_cut(size_t size);

/* Returns true if the address lies in the window, mapped or not. */
bool reserve_holds(const void *address);

/* Returns how many bytes of the window a part of `size` bytes takes, with the page behind it. */
size_t reserve_space(size_t size);

#endif
