/* Misuse: a daemon, whose descriptor 2 is a data file, frees a block twice. Argument: SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void live_as_daemon(int data, size_t size)
{
    char *block = victim_take(size);
    victim_require(dup2(data, STDERR_FILENO) == STDERR_FILENO, "dup2");
    free(block);
    free(victim_hide(block));
    _exit(EXIT_SUCCESS);
}

/*
 * Checks that the library ends the daemon and writes nothing to the data file. The library writes its message only to
 * descriptor 2, and only if that is the file that it was at start-up. So it writes none here, and the runner of the
 * victims expects none.
 */
int main(int argc, char **argv)
{
    int status;
    struct stat data_status;
    int data = memfd_create("data", MFD_CLOEXEC);
    victim_require(data >= 0, "memfd_create");
    pid_t child = fork();
    victim_require(child >= 0, "fork");
    if (child == 0) {
        live_as_daemon(data, victim_number(argc, argv, 1));
    }
    victim_require(waitpid(child, &status, 0) == child, "the child's end");
    victim_require(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "the child was not stopped");
    victim_require(fstat(data, &data_status) == 0 && data_status.st_size == 0, "the data file");
    return EXIT_SUCCESS;
}
