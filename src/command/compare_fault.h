/* Keeps the reason why a comparison cannot go on: one line for the user, and the exit code. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_FAULT_H
#define SOCKMALLOC_COMPARE_FAULT_H

#include <stdbool.h>

#include "command/command_rows.h"

struct compare_fault {
    enum command_exit code; /* EXIT_DONE while there is no fault */
    char text[1024];
};

/* Stores the exit code and the message. Always returns false, so that a function can return the result of this call. */
bool compare_fail(struct compare_fault *fault, enum command_exit code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
