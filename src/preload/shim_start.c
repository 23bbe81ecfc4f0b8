/* Wraps the function by which libc runs main, so that the library knows when main begins. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>

#include "base/attributes.h"
#include "config/message.h"
#include "pool/background.h"

/*
 * The constructors of the program run within __libc_start_main, before main. The constructors of libraries have run
 * earlier. glibc and musl give __libc_start_main the same arguments, but that of musl lacks `stack_end`.
 */
typedef int main_function(int, char **, char **);
typedef int start_function(main_function *program, int count, char **arguments, void (*init)(void), void (*end)(void),
                           void (*loader_end)(void), void *stack_end);

EXPORTED start_function __libc_start_main;

static main_function *begun;

static int start_main(int count, char **arguments, char **environment)
{
    background_begin();
    return begun(count, arguments, environment);
}

EXPORTED int __libc_start_main(main_function *program, int count, char **arguments, void (*init)(void),
                               void (*end)(void), void (*loader_end)(void), void *stack_end)
{
    start_function *next = (start_function *)dlsym(RTLD_NEXT, "__libc_start_main");
    if (next == NULL) {
        message_die(MESSAGE_NO_START);
    }
    begun = program;
    return next(start_main, count, arguments, init, end, loader_end, stack_end);
}
