/* Implements a shelf: a set of cells by which threads pass blocks to each other. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "shelf.h"

#include <stddef.h>

bool shelf_put(struct shelf *shelf, uint64_t from, char *block)
{
    for (unsigned i = 0; i < SHELF_CELLS; i++) {
        _Atomic(char *) *cell = &shelf->cell[(from + i) % SHELF_CELLS];
        char *none = NULL;
        if (atomic_load_explicit(cell, memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong_explicit(cell, &none, block, memory_order_release, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

char *shelf_take(struct shelf *shelf, uint64_t from)
{
    for (unsigned i = 0; i < SHELF_CELLS; i++) {
        _Atomic(char *) *cell = &shelf->cell[(from + i) % SHELF_CELLS];
        char *block = NULL;
        if (atomic_load_explicit(cell, memory_order_relaxed) != NULL) {
            block = atomic_exchange_explicit(cell, NULL, memory_order_acquire);
        }
        if (block != NULL) {
            return block;
        }
    }
    return NULL;
}
