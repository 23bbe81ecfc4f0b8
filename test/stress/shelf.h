/* Declares a shelf: a set of cells by which threads pass blocks to each other. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_SHELF_H
#define STRESS_SHELF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SHELF_CELLS = 32 };

/*
 * A set of cells by which threads pass blocks to each other. A thread that puts a block is ordered (happens-before)
 * before the thread that takes this block. A shelf orders no other threads. A queue with a mutex would order all
 * threads that use it, and ThreadSanitizer could then not notice if the pools failed to order two threads. A shelf
 * whose bytes are all zero is empty. Any thread may use a shelf.
 */
struct shelf {
    _Atomic(char *) cell[SHELF_CELLS];
};

/* Puts a block into an empty cell. The search begins at cell `from` modulo the number of cells, and covers all cells.
 * Returns false if no cell is empty. */
bool shelf_put(struct shelf *shelf, uint64_t from, char *block);

/* Takes a block out of a full cell, for which it searches as shelf_put does, and returns the block. Returns NULL if all
 * cells are empty. */
char *shelf_take(struct shelf *shelf, uint64_t from);

#endif
