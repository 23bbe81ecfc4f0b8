/* Draws bookkeeping at the end of a block's slot (sockmalloc_slack_alloc), and checks that its bytes stay. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_SLACK_H
#define ORACLE_SLACK_H

#include "draw.h"
#include "model.h"

/* All three do nothing if the library is not sockmalloc, or if the block has no slack. */

/* Carves a piece of a drawn size for a block that has none, checks that it is zero, and fills it. */
void slack_draw(struct block *block, struct draw *draw);

/* Checks the bytes of the block's slack. */
void slack_check(const struct block *block);

/* Checks the slack of a block that realloc has made of `old`: its bytes are the old ones, or it has no slack, which a
 * block that has stayed where it was must not lose. */
void slack_follow(const struct block *old, struct block *block);

#endif
