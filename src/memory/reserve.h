/* A window of addresses in which nothing lies, dealt out to the tables at start. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RESERVE_H
#define SOCKMALLOC_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Chooses `size` bytes of addresses, which end just below `wished_end` if that is not NULL and
 * nothing lies there. Nothing is mapped afterwards: the window is only likely to stay free, and
 * every table is prepared to find something in its way. At start, by one thread. Returns false if
 * the kernel has no such range.
 */
bool reserve_open(size_t size, char *wished_end);

/*
 * Returns the start of the next `size` bytes of the window (whole pages), behind which a page is
 * left out that nobody maps. At start, by one thread; the caller of reserve_open counted them, by
 * reserve_space, so they are there.
 */
char *reserve_cut(size_t size);

/* Returns true if the address lies in the window, mapped or not. */
bool reserve_holds(const void *address);

/* What a part of `size` bytes takes of the window. */
size_t reserve_space(size_t size);

#endif
