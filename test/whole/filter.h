/* A seccomp filter, as servers put themselves behind. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_FILTER_H
#define SOCKMALLOC_TEST_FILTER_H

/* From here on the system call of that number ends the process by SIGSYS, whoever makes it. */
void filter_forbid(int call);

#endif
