/* Prints an error of the command: one line on stderr. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

/*
 * Uses one call of fprintf, because the lines of several commands on one terminal must not mix. Shows unprintable bytes
 * as text_add_shown does, because names and paths in the message may come from another user.
 */
enum command_exit error_report(enum command_exit code, const char *format, ...)
{
    char line[1024];
    char shown[4 * sizeof line];
    struct text text = text_begin(shown, sizeof shown);
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    (void)length; /* a message that is longer than the buffer is cut */
    text_add_shown(&text, line);
    fprintf(stderr, "sockmalloc: %s\n", shown);
    return code;
}
