/* What the command says when something is wrong: one line on stderr. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "complaint.h"

#include <stdarg.h>
#include <stdio.h>

/* By a single write: lines of several commands on one terminal must not mix. */
enum command_exit complain(enum command_exit code, const char *format, ...)
{
    char line[1024];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    (void)length; /* a longer one is cut */
    fprintf(stderr, "sockmalloc: %s\n", line);
    return code;
}
