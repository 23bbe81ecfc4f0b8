/* Checks of conditions, and the table of cases that a test program is made of. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_DESCRIPTOR_MIN = 100, STATUS_USAGE = 2, STATUS_EMPTY = 3 };

char **check_arguments;
static struct check_case *cases;
static struct check_case **cases_end = &cases;
static atomic_ulong checks;
/* The descriptor for the messages of failed checks. main sets it to a copy of stderr, because some cases close
 * descriptor 2 later. */
static int report = STDERR_FILENO;

/* Prints the text and ends the process. It does not use stdio, because it may run in a signal handler or after malloc
 * has failed. */
static void say_and_exit(const char *text, int length)
{
    if (write(report, text, (size_t)length) != length) {
        _exit(EXIT_FAILURE);
    }
    _exit(EXIT_FAILURE);
}

void check_that(bool holds, const char *condition, const char *file, int line)
{
    atomic_fetch_add(&checks, 1);
    if (!holds) {
        int error = errno;
        char text[512];
        int length = snprintf(text, sizeof text, "%s:%d: process %d: failed: %s (errno %d)\n", file, line,
                              (int)getpid(), condition, error);
        say_and_exit(text, length);
    }
}

void check_equal(uint64_t actual, uint64_t wanted, const char *actual_text, const char *wanted_text, const char *file,
                 int line)
{
    atomic_fetch_add(&checks, 1);
    if (actual != wanted) {
        int error = errno;
        char text[512];
        int length = snprintf(text, sizeof text,
                              "%s:%d: process %d: failed: %s is %" PRIu64 ", not %s, %" PRIu64 " (errno %d)\n", file,
                              line, (int)getpid(), actual_text, actual, wanted_text, wanted, error);
        say_and_exit(text, length);
    }
}

void *check_find(const char *name)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    check_that(symbol != NULL, name, __FILE__, __LINE__);
    return symbol;
}

void check_wait(pid_t child)
{
    int status;
    pid_t ended;
    do {
        ended = waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    CHECK_EQUAL(ended, child);
    CHECK(!WIFSIGNALED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 0);
}

bool check_is_child(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child > 0) {
        check_wait(child);
    }
    return child == 0;
}

void check_start(pthread_t *threads, unsigned count, void *(*run)(void *), void *argument)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, run, argument), 0);
    }
}

void check_join(const pthread_t *threads, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    }
}

void check_in_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    check_start(&thread, 1, run, argument);
    check_join(&thread, 1);
}

void check_list_case(struct check_case *row)
{
    *cases_end = row;
    cases_end = &row->next;
}

static int list(void)
{
    for (const struct check_case *row = cases; row != NULL; row = row->next) {
        puts(row->name);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* With the argument `--list` this main prints the names of the cases; with the name of a case it runs the case. It is
 * weak, so that a program with a main of its own replaces it. */
__attribute__((weak)) int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--list") == 0) {
        return list();
    }
    int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, REPORT_DESCRIPTOR_MIN);
    report = copy >= 0 ? copy : report;
    check_arguments = argv + (argc > 1 ? 2 : 1);
    for (const struct check_case *row = cases; row != NULL; row = row->next) {
        if (strcmp(row->name, name) == 0) {
            row->run();
            return atomic_load(&checks) > 0 ? EXIT_SUCCESS : STATUS_EMPTY;
        }
    }
    fprintf(stderr, "usage: %s --list | CASE\n", argv[0]);
    return STATUS_USAGE;
}
