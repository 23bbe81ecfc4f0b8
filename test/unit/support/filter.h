/* Installs a seccomp filter in a unit test. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_UNIT_FILTER_H
#define SOCKMALLOC_TEST_UNIT_FILTER_H

#include <stdint.h>

/* Installs a filter that answers the system call number `call` with `verdict`, one of the values SECCOMP_RET_*, and
 * allows all other calls. The library does not learn of this filter, unless the test also calls sandbox_add_filter. */
void filter_call(int call, uint32_t verdict);

#endif
