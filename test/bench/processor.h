/* Pins a thread to one processor while the thread measures. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_PROCESSOR_H
#define BENCH_PROCESSOR_H

/*
 * Pins the calling thread to processor number `which`, counted from 0 among those that this program may use. Does
 * nothing if it may use fewer processors. Two processors of a virtual machine can differ in speed by a factor of two,
 * depending on what else runs on them, so a row must not move between them. A row calls this function after the
 * constructors of the allocator have run, so that the allocator has seen all processors.
 */
void processor_pin(unsigned which);

#endif
