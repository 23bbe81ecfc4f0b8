/* One step of a run: a call is drawn, performed, and held to what its row and the model say. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_STEP_H
#define ORACLE_STEP_H

#include "draw.h"
#include "model.h"

enum { STEP_SLOTS = 128 };

/* Blocks that one thread at a time works on. Threads end and leave it to others. */
struct shelf {
    struct block block[STEP_SLOTS];
    size_t bytes; /* the sum of all requests */
};

/* Before the first step, while there is one thread. */
void step_open(void);

/* Performs one step on a block of the shelf that the stream chooses. */
void step_run(struct shelf *shelf, struct draw *draw);

/* Judges all blocks of the shelf; frees all of them. */
void step_check_all(const struct shelf *shelf);
void step_give_all(struct shelf *shelf, struct draw *draw);

#endif
