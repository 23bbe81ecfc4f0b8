/* One use of all that there is: blocks of every bucket and others, checked throughout. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_USAGE_H
#define SOCKMALLOC_TEST_USAGE_H

/* Takes blocks of all sizes, sees that none lies upon another and that zeroed ones are zero, gives them back, and
 * checks the ledger. For processes of one thread. */
void use_everything(void);

#endif
