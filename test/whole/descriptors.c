/*
 * These cases test a program that was started with descriptors 0 to 2 closed, so that its data files get these numbers.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Sends the stats signal to this process from a child, and returns when the child has ended. By then the signal has
 * arrived. */
static void ask_for_statistics(void)
{
    pid_t asker = fork();
    if (asker == 0) {
        _exit(kill(getppid(), SIGUSR1) == 0 ? 0 : 1);
    }
    check_wait(asker);
}

/* Opens the file in argument 0 three times, so that the file gets the descriptors 0, 1 and 2. Then makes the library
 * write statistics. The runner checks that nothing was written to the file. */
CASE(data_takes_their_place)
{
    for (int wanted = 0; wanted <= 2; wanted++) {
        CHECK_EQUAL(open(check_arguments[0], O_RDWR | O_APPEND), wanted);
    }
    for (size_t size = 100; size < (size_t)8 << 20; size *= 2) {
        free(check_hide(malloc(size)));
    }
    ask_for_statistics();
}

/* A double free ends the process with a message. The library must not write the message to descriptor 2, which is the
 * program's data file here and not stderr. */
CASE(data_is_spared_by_the_last_words)
{
    data_takes_their_place();
    char *block = check_hide(malloc(20000));
    free(block);
    free(check_hide(block));
}
