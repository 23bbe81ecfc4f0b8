/* sockmalloc run: starts a program with the library, or says why that can't work. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command.h"
#include "complaint.h"
#include "launch.h"

enum command_exit command_run(int count, char **arguments)
{
    struct launch launch = {.arguments = arguments, .library = LIBRARY_PATH};
    command_parse(&(struct command_line){.name = "run",
                                         .take = launch_take,
                                         .input = &launch,
                                         .more = launch_options(),
                                         .stops_behind = true},
                  count, arguments);
    if (launch.program == NULL) {
        return complain(EXIT_USAGE, "run what? sockmalloc run --help says how");
    }
    enum command_exit code = launch_judge(&launch);
    if (code != EXIT_DONE) {
        return code;
    }
    launch_preload(&launch);
    return launch_execute(&launch);
}
