/* Draws the calls by which programs use buffers of their own: fixed-size pools, message pages and rings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_BUFFERS_H
#define ORACLE_BUFFERS_H

#include <stdbool.h>

#include "draw.h"

/* Prepares the objects. The process calls this function before its first step. Without the library, all functions below
 * do nothing. */
void buffers_open(void);

/* Makes some random calls on one of the objects that all threads share. */
void buffers_step(struct draw *draw);

/* buffers_stop waits until no other thread is inside a function of an object, and keeps them out until buffers_go_on is
 * called. So a fork in between copies a model that agrees with the objects. */
void buffers_stop(void);
void buffers_go_on(bool is_child);

/* Returns how many addresses were freed wrongly; each of these frees has ended a child after one line on stderr. */
unsigned buffers_misuses(void);

/* Frees all blocks and closes all objects. */
void buffers_close(struct draw *draw);

#endif
