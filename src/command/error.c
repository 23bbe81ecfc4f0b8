/* What the command says when something is wrong: one line on stderr. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

/* By a single write: lines of several commands on one terminal must not mix. Names and paths in it
 * may be another user's. */
enum command_exit error_report(enum command_exit code, const char *format, ...)
{
    char line[1024];
    char shown[4 * sizeof line];
    struct text text = text_begin(shown, sizeof shown);
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    (void)length; /* a longer one is cut */
    text_add_shown(&text, line);
    fprintf(stderr, "sockmalloc: %s\n", shown);
    return code;
}
