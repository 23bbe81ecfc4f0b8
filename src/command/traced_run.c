/* Runs a program with the library preloaded, and reads the program's memory right before the program ends. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/traced_run.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/error.h"

static enum command_exit traced_run_begin(const struct launch *launch)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        return error_report(EXIT_FORBIDDEN, "the program can't be traced here: %s", strerror(errno));
    }
    return launch_execute(launch);
}

/* The state of a traced run. */
struct traced_run {
    traced_run_judge *judge;
    bool is_judged;
    enum command_exit code;
};

/*
 * Handles a stop of the traced process. Calls the function `judge` if the process is about to end. Returns the signal
 * with which the process continues, or 0 for none.
 */
static uintptr_t traced_run_answer(struct traced_run *trial, int process, int status)
{
    unsigned event = (unsigned)status >> 16;
    unsigned long end = 0;
    if (event == PTRACE_EVENT_EXIT && ptrace(PTRACE_GETEVENTMSG, process, NULL, &end) == 0) {
        trial->code = trial->judge(process, (int)end);
        trial->is_judged = true;
    }
    return event != 0 ? 0 : (uintptr_t)WSTOPSIG(status);
}

/*
 * Returns the exit code of the command after the process has ended. Prints an error if the process was not stopped
 * before its end, because its memory was then not read. The kernel does not always stop a process that SIGKILL ends.
 */
static enum command_exit traced_run_conclude(const struct traced_run *trial, int process, int status)
{
    if (trial->is_judged) {
        return trial->code;
    }
    return WIFSIGNALED(status)
               ? error_report(EXIT_GONE, "process %d was ended by signal %d (%s) before its memory was read", process,
                              WTERMSIG(status), strsignal(WTERMSIG(status)))
               : error_report(EXIT_GONE, "process %d ended before its memory was read", process);
}

static enum command_exit traced_run_follow(int process, traced_run_judge *judge)
{
    struct traced_run trial = {.judge = judge};
    int status;
    bool began = false;
    while (waitpid(process, &status, 0) == process && WIFSTOPPED(status)) {
        uintptr_t passed = 0; /* the signal to pass on to the process; none after the stop that exec causes */
        if (began) {
            passed = traced_run_answer(&trial, process, status);
        } else {
            uintptr_t wanted = PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
            ptrace(PTRACE_SETOPTIONS, process, NULL, (void *)wanted);
            began = true;
        }
        ptrace(PTRACE_CONT, process, NULL, (void *)passed);
    }
    /*
     * A process that ended before exec has run only code of this command, and ended with an exit code of the command.
     */
    return began ? traced_run_conclude(&trial, process, status) : (enum command_exit)WEXITSTATUS(status);
}

enum command_exit traced_run_program(const struct launch *launch, traced_run_judge *judge)
{
    pid_t process = fork();
    if (process < 0) {
        return error_report(EXIT_REFUSED, "a child process could not be started: %s", strerror(errno));
    }
    if (process == 0) {
        _exit((int)traced_run_begin(launch));
    }
    /*
     * Signals of the terminal are meant for the program. This process ignores them, because it must report how the
     * program ends.
     */
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    return traced_run_follow(process, judge);
}
