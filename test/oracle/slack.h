/*
 * Reserves bookkeeping at the end of a block's slot (sockmalloc_slack_alloc), and checks that its bytes stay unchanged.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_SLACK_H
#define ORACLE_SLACK_H

#include "draw.h"
#include "model.h"

/* These functions do nothing if the library is not sockmalloc, or if the block can have no slack. */

/*
 * Reserves slack of a random size for a block that has none, checks that all bytes of the slack are 0, and fills them.
 */
void slack_draw(struct block *block, struct draw *draw);

/* Ends the process with a fault unless the block's slack has its size, and the bytes that slack_draw wrote there. */
void slack_check(const struct block *block);

/* Checks the slack of `block`, which realloc has made of `old`. The slack must have the same bytes as before. The slack
 * may be gone only if realloc has moved the block. */
void slack_follow(const struct block *old, struct block *block);

#endif
