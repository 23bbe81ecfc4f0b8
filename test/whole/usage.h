/* Allocates blocks of every bucket and of sizes outside the pools, checks their content, and frees them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_USAGE_H
#define SOCKMALLOC_TEST_USAGE_H

/*
 * Allocates blocks of all sizes, and checks that no two overlap and that those of calloc are zero. Then frees them, and
 * checks that the counters of each bucket add up (pools_check_ledger). No other thread of the process may allocate or
 * free meanwhile.
 */
void use_everything(void);

#endif
