/* sockmalloc run: starts a program with the library preloaded, or says why that is not possible. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/apparmor.h"
#include "command/command.h"
#include "command/error.h"
#include "command/launch.h"

/* Prints a line if a profile of AppArmor may keep the library out of the program. */
static void warn_of_confinement(const char *program)
{
    char profile[APPARMOR_NAME_SIZE];
    if (apparmor_read("/proc/self/attr/current", profile)) {
        error_report(EXIT_DONE,
                     "AppArmor's profile %s may start %s without LD_PRELOAD; `sockmalloc check %s` says if the library "
                     "is in effect",
                     profile, program, program);
    }
}

enum command_exit command_run(int count, char **arguments)
{
    struct launch launch;
    enum command_exit code = launch_parse(&launch, "run", count, arguments);
    if (code == EXIT_DONE) {
        code = launch_judge(&launch);
    }
    if (code == EXIT_DONE) {
        warn_of_confinement(launch.program[0]);
    }
    return code == EXIT_DONE ? launch_execute(&launch) : code;
}
