/* Blocks on their way from one thread to another. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_SHELF_H
#define STRESS_SHELF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SHELF_CELLS = 32 };

/* Whoever puts a block here is ordered before who takes it, and nobody else before anybody: a queue with a mutex would
 * order all its users, and hide from ThreadSanitizer what the pools forget to. Empty at first. Any thread. */
struct shelf {
    _Atomic(char *) cell[SHELF_CELLS];
};

/* Into the first empty cell from cell `from` on, or any number; false if there is none. */
bool shelf_put(struct shelf *shelf, uint64_t from, char *block);

/* Out of the first full cell, or NULL. */
char *shelf_take(struct shelf *shelf, uint64_t from);

#endif
