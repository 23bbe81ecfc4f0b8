/* Keeps a thread on one processor while it measures. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_PROCESSOR_H
#define BENCH_PROCESSOR_H

/*
 * Pins the calling thread to the processor with the number `which`, from 0, of those that this program may use. Does
 * nothing if there are fewer. Two processors of a virtual machine can differ by a factor of two, depending on their
 * neighbours, so a row must not change its processor. A row calls this function after the constructors of the allocator
 * have run, so they have seen all processors.
 */
void processor_pin(unsigned which);

#endif
