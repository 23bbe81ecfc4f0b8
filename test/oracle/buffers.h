/* Draws random calls of the functions for a program's own buffers: fixed-size pools, message pages and rings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_BUFFERS_H
#define ORACLE_BUFFERS_H

#include <stdbool.h>

#include "draw.h"

/*
 * Prepares the pools, message pages and rings under test. The program calls this function before its first step. If the
 * process has no function sockmalloc_pool_create, because neither libsockmalloc.so nor libsockmalloc-buffers.so is
 * loaded, the functions of this file test nothing.
 */
void buffers_open(void);

/* Chooses one of the pools, message pages and rings that all threads share, and makes some random calls on it. */
void buffers_step(struct draw *draw);

/*
 * buffers_stop waits until no other thread uses a pool, message page or ring, and keeps other threads out until
 * buffers_go_on is called. So after a fork between the two calls, the child's copy of the model agrees with the blocks
 * that the child has.
 */
void buffers_stop(void);
void buffers_go_on(bool is_child);

/* Returns how often an address was freed wrongly on purpose. Each of these frees was made by a child of a fork, which
 * then ended after one line on stderr. */
unsigned buffers_misuses(void);

/* Closes the pools, message pages and rings under test. Their live blocks are freed before, or disappear with them. */
void buffers_close(struct draw *draw);

#endif
