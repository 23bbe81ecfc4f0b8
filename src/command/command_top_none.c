/* Stands in for `sockmalloc top` where the command was built without ncurses: prints an error. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/command.h"
#include "command/error.h"

enum command_exit command_top(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    return error_report(EXIT_NO_TERMINAL, "top is missing, because this command was built without ncurses");
}
