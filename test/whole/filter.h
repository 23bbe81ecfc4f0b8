/* Installs a seccomp filter, as servers do at their start. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_FILTER_H
#define SOCKMALLOC_TEST_FILTER_H

/* Installs a filter that ends the process by SIGSYS when any of its code makes the system call of that number. */
void filter_forbid(int call);

#endif
