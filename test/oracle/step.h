/* One step of a run: draws a call, makes it, and compares the result with the call's row and the model. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_STEP_H
#define ORACLE_STEP_H

#include "draw.h"
#include "model.h"

enum { STEP_SLOTS = 128 };

/* Blocks that only one thread at a time works on. Threads end and leave the shelf to others. */
struct shelf {
    struct block block[STEP_SLOTS];
    size_t bytes; /* the sum of all requests */
};

/* Called before the first step, while there is one thread. */
void step_open(void);

/* Does one step on a block of the shelf; `draw` decides which. */
void step_run(struct shelf *shelf, struct draw *draw);

/* Check, or free, all blocks of the shelf. */
void step_check_all(const struct shelf *shelf);
void step_give_all(struct shelf *shelf, struct draw *draw);

#endif
