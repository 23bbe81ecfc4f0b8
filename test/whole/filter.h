/* Installs a seccomp filter, as servers do at their start. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_FILTER_H
#define SOCKMALLOC_TEST_FILTER_H

/*
 * Installs a filter that kills the process by SIGSYS when any code in it makes the system call with the number `call`.
 */
void filter_forbid(int call);

#endif
