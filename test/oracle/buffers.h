/* Draws random calls of the functions for a program's own buffers: fixed-size pools, message pages and rings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_BUFFERS_H
#define ORACLE_BUFFERS_H

#include <stdbool.h>

#include "draw.h"

/* Prepares the objects. The process calls this function before its first step. If sockmalloc is not loaded, this
 * function and those below do nothing. */
void buffers_open(void);

/* Chooses one of the objects that all threads share, and makes some random calls on it. */
void buffers_step(struct draw *draw);

/* buffers_stop waits until no other thread uses an object, and keeps other threads out until buffers_go_on is called.
 * So after a fork between the two calls, the child's copy of the model agrees with its objects. */
void buffers_stop(void);
void buffers_go_on(bool is_child);

/* Returns how often an address was freed wrongly, on purpose and in a child. Each of these frees has ended its child
 * after one line on stderr. */
unsigned buffers_misuses(void);

/* Frees all blocks and closes all objects. */
void buffers_close(struct draw *draw);

#endif
