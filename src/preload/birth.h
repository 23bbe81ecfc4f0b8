/* The library's birth, fork and end: what happens once, and in which order. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BIRTH_H
#define SOCKMALLOC_BIRTH_H

#include "base/attributes.h"
#include "memory/bucket.h"

/* The buckets in force, as they were planned at birth. */
extern INTERNAL struct bucket_plan birth_plan;

#endif
