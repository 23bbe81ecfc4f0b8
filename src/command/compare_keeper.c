/* Runs a program under a keeper: a process that lives on until the program and all of its descendants have ended. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/compare_tree.h"
#include "command/now.h"

/*
 * A keeper is the process under which a program runs. When a keeper ends the program and its descendants, those that
 * are left after this many seconds get SIGTERM, and those that are left after as many seconds more get SIGKILL.
 */
static const double PATIENCE_SECONDS = 5;

enum { STEP_MILLISECONDS = 50, DESCRIPTORS_MAX = 1024 };

/* The keeper's own data. A keeper is the process under which a program runs. */
struct keeper {
    pid_t program;
    int commands; /* the reading end of a pipe; a byte or the end of the pipe tells the keeper to end its descendants */
    int reports;
    int output;  /* the reading end of the program's stdout and stderr */
    int signals; /* a signalfd of SIGCHLD */
    bool is_ending;
    double ending_since;
    bool all_got_term;
    struct compare_report report;
    size_t said; /* how many bytes of report.said are used */
};

/* --- the program, in the child of the keeper --- */

static void become(char *const *command, char *const *variables, int output)
{
    for (char *const *variable = variables; *variable != NULL; variable++) {
        putenv(*variable);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing > STDIN_FILENO) {
        dup2(nothing, STDIN_FILENO);
        close(nothing);
    }
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execvp(command[0], command);
    dprintf(STDERR_FILENO, "%s can't be executed: %s\n", command[0], strerror(errno));
    _exit((int)(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE));
}

/* --- the keeper --- */

/* Appends bytes to report.said, which keeps only the last bytes of the output. */
static void append_said(struct keeper *keeper, const char *bytes, size_t count)
{
    size_t most = sizeof keeper->report.said - 1;
    if (count > most) {
        bytes += count - most;
        count = most;
    }
    size_t kept = keeper->said + count > most ? most - count : keeper->said;
    memmove(keeper->report.said, keeper->report.said + (keeper->said - kept), kept);
    memcpy(keeper->report.said + kept, bytes, count);
    keeper->said = kept + count;
    keeper->report.said[keeper->said] = '\0';
}

static void read_output(struct keeper *keeper)
{
    static char bytes[1 << 16];
    ssize_t count;
    while ((count = read(keeper->output, bytes, sizeof bytes)) > 0) {
        append_said(keeper, bytes, (size_t)count);
    }
    if (count == 0) {
        /* no process has the other end of the pipe any more; poll ignores the pipe once its descriptor is -1 */
        close(keeper->output);
        keeper->output = -1;
    }
}

static void send_report(struct keeper *keeper, bool has_others)
{
    if (keeper->output >= 0) {
        read_output(keeper);
    }
    keeper->report.has_others = has_others;
    /*
     * a pipe takes a write of this size whole or not at all; an error is ignored, because the report is of no
     * use if the command has ended
     */
    ssize_t written = write(keeper->reports, &keeper->report, sizeof keeper->report);
    (void)written;
}

/* Waits for those children of the keeper that have ended. If the program is one of them and other children are left,
 * sends a report. Returns false if the keeper has no child left. */
static bool reap(struct keeper *keeper)
{
    int status;
    pid_t process;
    bool program_ended = false;
    while ((process = waitpid(-1, &status, WNOHANG)) > 0) {
        if (process == keeper->program) {
            keeper->program = 0;
            keeper->report.status = status;
            program_ended = true;
        }
    }
    bool has_others = process == 0;
    if (program_ended && has_others) {
        send_report(keeper, true);
    }
    return has_others;
}

/* Sends a signal to all descendants of the keeper, or only to those that are its children. */
static void send_signal(int number, bool only_children)
{
    size_t count;
    int self = getpid();
    const struct compare_process *tree = compare_tree(self, &count);
    for (size_t i = 1; i < count; i++) {
        if (!only_children || tree[i].parent == self) {
            kill(tree[i].process, number);
        }
    }
}

static void begin_ending(struct keeper *keeper)
{
    keeper->is_ending = true;
    keeper->ending_since = now_seconds();
    if (keeper->program > 0) {
        kill(keeper->program, SIGTERM);
    } else {
        send_signal(SIGTERM, true);
    }
}

static void go_on_ending(struct keeper *keeper)
{
    double seconds = now_seconds() - keeper->ending_since;
    if (seconds > 2 * PATIENCE_SECONDS) {
        send_signal(SIGKILL, false);
    } else if (seconds > PATIENCE_SECONDS && !keeper->all_got_term) {
        keeper->all_got_term = true;
        send_signal(SIGTERM, false);
    }
}

static void keep(struct keeper *keeper)
{
    while (reap(keeper)) {
        struct pollfd waits[] = {
            {.fd = keeper->is_ending ? -1 : keeper->commands, .events = POLLIN},
            {.fd = keeper->output, .events = POLLIN},
            {.fd = keeper->signals, .events = POLLIN},
        };
        struct signalfd_siginfo child;
        poll(waits, sizeof waits / sizeof waits[0], keeper->is_ending ? STEP_MILLISECONDS : -1);
        if (waits[0].revents != 0) {
            begin_ending(keeper);
        }
        if (waits[1].revents != 0) {
            read_output(keeper);
        }
        if (waits[2].revents != 0 && read(keeper->signals, &child, sizeof child) < 0) {
            continue;
        }
        if (keeper->is_ending) {
            go_on_ending(keeper);
        }
    }
    send_report(keeper, false);
}

/* Closes all descriptors below DESCRIPTORS_MAX except stdin, stdout, stderr, `one` and `other`. Otherwise this keeper
 * would hold the pipe of another keeper open, and the other keeper would not notice that the command has closed the
 * pipe. */
static void close_others(int one, int other)
{
    for (int i = STDERR_FILENO + 1; i < DESCRIPTORS_MAX; i++) {
        if (i != one && i != other) {
            close(i);
        }
    }
}

static void become_keeper(int commands, int reports, char *const *command, char *const *variables)
{
    int output[2];
    sigset_t child;
    close_others(commands, reports);
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    struct keeper keeper = {.commands = commands, .reports = reports, .signals = signalfd(-1, &child, SFD_CLOEXEC)};
    if (keeper.signals < 0 || pipe2(output, O_CLOEXEC) != 0) {
        return;
    }
    keeper.output = output[0];
    keeper.program = fork();
    if (keeper.program == 0) {
        become(command, variables, output[1]);
    }
    close(output[1]);
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    keep(&keeper);
}

/* --- the command --- */

bool compare_keeper_start(struct compare_keeper *keeper, char *const *command, char *const *variables,
                          struct compare_fault *fault)
{
    int commands[2] = {-1, -1};
    int reports[2] = {-1, -1};
    *keeper = (struct compare_keeper){.process = -1};
    if (pipe2(commands, O_CLOEXEC) != 0 || pipe2(reports, O_CLOEXEC) != 0 || (keeper->process = fork()) < 0) {
        return compare_fail(fault, EXIT_FAILED, "no process can be started: %s", strerror(errno));
    }
    if (keeper->process == 0) {
        become_keeper(commands[0], reports[1], command, variables);
        _exit(0);
    }
    close(commands[0]);
    close(reports[1]);
    keeper->pipe = commands[1];
    keeper->reports = reports[0];
    fcntl(keeper->reports, F_SETFL, O_NONBLOCK);
    return true;
}

void compare_keeper_look(struct compare_keeper *keeper)
{
    ssize_t count;
    while (!keeper->is_over && (count = read(keeper->reports, &keeper->report, sizeof keeper->report)) >= 0) {
        keeper->has_ended = true;
        keeper->is_over = count == 0 || !keeper->report.has_others;
    }
}

void compare_keeper_end(struct compare_keeper *keeper)
{
    close(keeper->pipe);
    while (waitpid(keeper->process, NULL, 0) < 0 && errno == EINTR) {
        continue;
    }
    compare_keeper_look(keeper);
    close(keeper->reports);
}

/* Returns the last of those lines of the text that are not empty, without its line end. */
static const char *last_line(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && strchr("\n\r\t ", text[length - 1]) != NULL) {
        text[--length] = '\0';
    }
    const char *line = strrchr(text, '\n');
    return line != NULL ? line + 1 : text;
}

void compare_keeper_describe(const struct compare_keeper *keeper, char *text, size_t size)
{
    struct compare_report report = keeper->report;
    const char *line = last_line(report.said);
    int status = report.status;
    int length = WIFSIGNALED(status)
                     ? snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)))
                     : snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    if (line[0] != '\0') {
        snprintf(text + length, size - (size_t)length, ": %s", line);
    }
}
