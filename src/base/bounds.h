/* Defines macros for the lesser and the greater of two numbers, and for how much one number exceeds another. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BOUNDS_H
#define SOCKMALLOC_BOUNDS_H

/*
 * These are macros, so that they accept numbers of any type. They may evaluate an argument twice, so an argument must
 * have no side effect. (The names MIN and MAX belong to <sys/param.h>.)
 */
#define LESSER(one, other)  ((one) < (other) ? (one) : (other))
#define GREATER(one, other) ((one) > (other) ? (one) : (other))

/*
 * Returns `more - less`, or 0 if `less` is the greater one. The macro is for unsigned numbers, whose difference would
 * wrap around below 0.
 */
#define EXCESS(more, less) ((more) > (less) ? (more) - (less) : 0)

#endif
