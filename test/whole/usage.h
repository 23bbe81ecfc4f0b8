/* Allocates and frees blocks of every bucket and of sizes outside the pools, and checks their content. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_USAGE_H
#define SOCKMALLOC_TEST_USAGE_H

/* Allocates blocks of all sizes, checks that no two overlap and that those of calloc are zero, frees them, and checks
 * that the counters of each bucket add up (pools_check_ledger). The process must have only one thread. */
void use_everything(void);

#endif
