/* Runs a program under a process that stays with it until all of its descendants have ended: a keeper. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMPARE_KEEPER_H
#define SOCKMALLOC_COMPARE_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "command/compare_fault.h"

/*
 * A keeper is a child of this command, and a subreaper: whatever the program starts stays a descendant of the keeper,
 * also after a daemon has left its parent. When the command ends for any reason, SIGKILL included, its end of a pipe is
 * closed. Then the keeper ends all of its descendants, and itself.
 */
enum { COMPARE_SAID_SIZE = 512 };

/* What a keeper reports when the program has ended, and again when no descendant is left. */
struct compare_report {
    int status;                   /* of the program, as waitpid returns it */
    bool has_others;              /* true while the program has descendants that live on */
    char said[COMPARE_SAID_SIZE]; /* the end of what the program wrote to its stdout and stderr */
};

struct compare_keeper {
    pid_t process;
    int pipe;                     /* the pipe that tells the keeper to end its descendants */
    int reports;                  /* the pipe that its reports come through */
    bool has_ended;               /* true if the program itself has ended */
    bool is_over;                 /* true if no descendant is left */
    struct compare_report report; /* the last one */
};

/*
 * Starts a program with these variables ("NAME=VALUE", ended by NULL) added to the environment. The program gets a
 * session of its own, so that the terminal's Ctrl-C does not reach it, and /dev/null as its stdin. Returns false, with
 * the fault set, if the keeper cannot be started. A program that cannot be executed ends with status 127.
 */
bool compare_keeper_start(struct compare_keeper *keeper, char *const *command, char *const *variables,
                          struct compare_fault *fault);

/* Reads the reports that have come. Does not wait. Sets `has_ended` and `is_over`. */
void compare_keeper_look(struct compare_keeper *keeper);

/*
 * Ends all descendants, and waits until they have ended. The program itself gets SIGTERM first, or the descendants that
 * it has left, if it has ended. After some seconds all of them get SIGTERM, and later SIGKILL.
 */
void compare_keeper_end(struct compare_keeper *keeper);

/* Writes in `text` how the program ended, and the last line that it printed: "exit status 1: no such file". */
void compare_keeper_describe(const struct compare_keeper *keeper, char *text, size_t size);

#endif
