/* A seccomp filter for unit tests. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_UNIT_FILTER_H
#define SOCKMALLOC_TEST_UNIT_FILTER_H

#include <stdint.h>

/*
 * Puts the process behind a filter that answers the system call of that number by `verdict`, a SECCOMP_RET_ value, and
 * allows all others. The library does not know of the filter; a test that wants it to calls sandbox_add_filter.
 */
void filter_call(int call, uint32_t verdict);

#endif
