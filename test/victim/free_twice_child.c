/* Misuse: the child of a fork frees a block that its parent had freed before the fork. Argument: SIZE. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

#include <signal.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
    int status;
    char *block = victim_take(victim_number(argc, argv, 1));
    free(block);
    pid_t child = fork();
    victim_require(child >= 0, "fork");
    if (child == 0) {
        victim_announce(block);
        free(victim_hide(block));
        _exit(EXIT_SUCCESS);
    }
    victim_require(waitpid(child, &status, 0) == child, "the child's end");
    victim_require(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "the child was not stopped");
    return EXIT_SUCCESS;
}
