/* Chooses a window of free addresses for the range of slots and all tables. Start-up divides the window among them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_RESERVE_H
#define SOCKMALLOC_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Chooses a window of `size` bytes. The window ends just below `wished_end`, if that is not NULL and nothing is mapped
 * there; else the window lies elsewhere. The function maps nothing, so the program may later map memory in the window,
 * and each table has to expect something else in its way. One thread calls this function at start-up. Returns false if
 * the kernel has no such range of addresses.
 */
bool reserve_open(size_t size, char *wished_end);

/*
 * Returns the start of the next `size` bytes of the library's window of addresses, which must be whole pages. The page
 * after them stays unmapped. One thread calls this function at start-up. The function cannot fail, because the caller
 * has passed the sum of reserve_space over all parts of the window to reserve_open.
 */
char *reserve_cut(size_t size);

/* Returns true if the address lies in the library's window of addresses, mapped or not. */
bool reserve_holds(const void *address);

/* Returns how many bytes of the library's window of addresses a table or range of `size` bytes takes, including the
 * unmapped page after it. */
size_t reserve_space(size_t size);

#endif
