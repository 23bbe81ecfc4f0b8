/*
 * Reserves slack, bytes at the end of a block's slot for data of the program (sockmalloc_slack_alloc), and checks that
 * these bytes stay unchanged.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_SLACK_H
#define ORACLE_SLACK_H

#include "draw.h"
#include "model.h"

/* The functions of this file do nothing if the library is not sockmalloc, or if the block can have no slack. */

/*
 * Reserves slack of a random size for a block that has none, checks that all bytes of the slack are 0, and fills them.
 */
void slack_draw(struct block *block, struct draw *draw);

/* Ends the process with a fault unless the block's slack has the size that slack_draw chose, and the bytes that
 * slack_draw wrote. */
void slack_check(const struct block *block);

/* Checks the slack of `block`, which realloc has returned for `old`. The slack must have the same bytes as before. If
 * realloc has moved the block, the block may instead have no slack any more. */
void slack_follow(const struct block *old, struct block *block);

#endif
