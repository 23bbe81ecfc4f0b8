/* Ends the process at the first fault that the stress test finds. Prints one line, which says what is wrong and how to
 * repeat the run. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "fault.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/text.h"
#include "command.h"
#include "config/message.h"

enum { LINE_SIZE = 1024 };

static _Atomic(const char *) watched;

/* Formats one line and prints it by a single write, so that the lines of several threads are not mixed. Neither
 * allocates nor locks, and uses none of the code that is under test. */
static void fault_say(const char *format, va_list list)
{
    char line[LINE_SIZE];
    struct text text = text_begin(line, sizeof line);
    text_add(&text, "stress[%d]: ", (int)getpid());
    text_add_list(&text, format, list);
    text_add(&text, " (%s)\n", command_text());
    message_write(STDERR_FILENO, line, text.used);
}

void fault_die(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fault_say(format, list);
    va_end(list);
    _exit(1);
}

static void fault_hang(int number)
{
    (void)number;
    fault_die("hung: %s", atomic_load(&watched));
}

void fault_watch(unsigned seconds, const char *doing)
{
    atomic_store(&watched, doing);
    signal(SIGALRM, fault_hang);
    alarm(seconds);
}
