/* Runs the steps of start-up, of a fork, and of the end of the process, in their order. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_INIT_H
#define SOCKMALLOC_INIT_H

#include "base/attributes.h"
#include "memory/bucket.h"

/* The buckets in use, as start-up has planned them. */
extern INTERNAL struct bucket_plan init_plan;

#endif
