/* Does one step of a run: chooses a call at random, makes it, and compares the result with what the table of calls and
 * the model demand. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_STEP_H
#define ORACLE_STEP_H

#include "draw.h"
#include "model.h"

enum { STEP_SLOTS = 128 };

/* A shelf is a set of blocks that only one thread at a time uses. In the next round another thread uses the shelf. */
struct shelf {
    struct block block[STEP_SLOTS];
    size_t bytes; /* the sum of the requested sizes of the shelf's blocks */
};

/* Fills the long text from which calls get their strings. The program calls this function before the first step, while
 * the process has one thread. */
void step_open(void);

/* Does one step on a block of the shelf. `draw` is the random stream that decides which step and which block. */
void step_run(struct shelf *shelf, struct draw *draw);

/* step_check_all checks all blocks of the shelf, and step_give_all frees them. */
void step_check_all(const struct shelf *shelf);
void step_give_all(struct shelf *shelf, struct draw *draw);

#endif
