/* Measures one turn of a comparison: the server under one allocator, from its start to its end. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_MEASURE_H
#define SOCKMALLOC_COMPARE_MEASURE_H

#include "command/compare_fault.h"
#include "command/compare_result.h"

/* The type of a function that compare_measure calls before each of its steps. `what` names the step for the progress
 * line, and `input` is what the caller of compare_measure has passed. */
typedef void compare_stage(void *input, const char *what);

/*
 * Starts the server with `library` preloaded, waits until the server listens and answers, runs the load, and samples
 * the memory. The last sample is taken result->late seconds after the end of the load, and is the figure COMPARE_LATE.
 * Then the server is ended. Stores the figures in *turn, and the port and the protocol in *result. Returns false if the
 * turn failed, with the fault set, or if a signal came (compare_is_stopped). No process is left in any of these cases.
 */
bool compare_measure(struct compare_result *result, const char *library, struct compare_turn *turn,
                     compare_stage *stage, void *input, struct compare_fault *fault);

#endif
