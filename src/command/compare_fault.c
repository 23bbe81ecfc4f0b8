/* Keeps the reason why a comparison cannot go on: one line for the user, and the exit code. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_fault.h"

#include <stdarg.h>
#include <stdio.h>

bool compare_fail(struct compare_fault *fault, enum command_exit code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = vsnprintf(fault->text, sizeof fault->text, format, list);
    va_end(list);
    (void)length; /* a message that is longer than the array is cut */
    fault->code = code;
    return false;
}
