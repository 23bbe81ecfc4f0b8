/* Runs a program under a keeper: a process that lives on until the program and all of its descendants have ended. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_KEEPER_H
#define SOCKMALLOC_COMPARE_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "command/compare_fault.h"

/*
 * A keeper is a child of this command, and a subreaper: all processes that the program starts stay descendants of the
 * keeper, even a daemon whose parent has ended. If this command ends for any reason, SIGKILL included, the kernel
 * closes the command's end of a pipe to the keeper. The keeper then ends all of its descendants, and itself.
 */
enum { COMPARE_SAID_SIZE = 512 };

/*
 * A report of the keeper. The keeper sends one if the program has ended before its descendants, and one when no
 * descendant is left.
 */
struct compare_report {
    int status;                   /* the status of the program, as waitpid returns it */
    bool has_others;              /* true while the program has descendants that live on */
    char said[COMPARE_SAID_SIZE]; /* the last bytes that the program wrote to its stdout and stderr */
};

struct compare_keeper {
    pid_t process;
    int pipe;                     /* the writing end of the pipe that tells the keeper to end its descendants */
    int reports;                  /* the pipe from which the keeper's reports are read */
    bool has_ended;               /* true if the program itself has ended */
    bool is_over;                 /* true if no descendant is left */
    struct compare_report report; /* the last report that was read */
};

/*
 * Starts a program with these variables ("NAME=VALUE", ended by NULL) added to the environment. The program gets a
 * session of its own, so that the terminal's Ctrl-C does not reach it, and /dev/null as its stdin. Returns false, with
 * the fault set, if the keeper cannot be started. A program that cannot be executed ends with status 126, or with 127
 * if there is no such program.
 */
bool compare_keeper_start(struct compare_keeper *keeper, char *const *command, char *const *variables,
                          struct compare_fault *fault);

/* Reads the reports that the keeper has sent so far, without waiting. Sets `has_ended` and `is_over`. */
void compare_keeper_look(struct compare_keeper *keeper);

/*
 * Ends all descendants of the keeper, and waits until they have ended. First the program gets SIGTERM. If the program
 * has ended already, the keeper's children get SIGTERM instead. Descendants that are left after 5 seconds get SIGTERM,
 * and those that are left after 5 more seconds get SIGKILL.
 */
void compare_keeper_end(struct compare_keeper *keeper);

/* Writes to `text` how the program ended, and the last line that it printed: "exit status 1: no such file". */
void compare_keeper_describe(const struct compare_keeper *keeper, char *text, size_t size);

#endif
