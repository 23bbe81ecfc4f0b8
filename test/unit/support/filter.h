/* Installs a seccomp filter for unit tests. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_UNIT_FILTER_H
#define SOCKMALLOC_TEST_UNIT_FILTER_H

#include <stdint.h>

/* Installs a filter that answers the system call number `call` with `verdict`, a SECCOMP_RET_ value, and allows all
 * others. The library is not told of the filter; a test that wants the library to know calls sandbox_add_filter. */
void filter_call(int call, uint32_t verdict);

#endif
