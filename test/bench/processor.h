/* Keeps a thread on one processor for as long as it measures. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_PROCESSOR_H
#define BENCH_PROCESSOR_H

/* Pins the calling thread to the processor that is `which`-th, from 0, of those that this program may use; does nothing
 * where there are not as many. Two processors of a virtual machine can differ by a factor of two, by what their
 * neighbours do: a row that ran now on the one and now on the other would compare processors, not allocators. Called
 * after the allocator's constructors, which so still see all processors. */
void processor_pin(unsigned which);

#endif
