/* sockmalloc run: starts a program with the library preloaded, or says why that is not possible. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/command.h"
#include "command/launch.h"

enum command_exit command_run(int count, char **arguments)
{
    struct launch launch;
    enum command_exit code = launch_parse(&launch, "run", count, arguments);
    if (code == EXIT_DONE) {
        code = launch_judge(&launch);
    }
    return code == EXIT_DONE ? launch_execute(&launch) : code;
}
