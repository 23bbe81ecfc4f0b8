/* Ends the process at the first fault, with one line that says what is wrong, where, and with which seed. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "fault.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_SIZE = 1024 };

_Thread_local struct place place = {.call = "start"};

static uint64_t seed;
static bool is_child;
static atomic_flag told = ATOMIC_FLAG_INIT;

/* If several threads find a fault, only the first of them prints its fault, because the other faults are mostly
 * consequences of the first. */
void fault_die(const char *format, ...)
{
    if (atomic_flag_test_and_set(&told)) {
        /* one second is enough, because the thread that prints the first fault ends the process much earlier */
        sleep(1);
        _exit(1);
    }
    char line[LINE_SIZE];
    int used =
        snprintf(line, sizeof line, "oracle: seed %lu, round %u, thread %u, step %lu%s, %s: ", (unsigned long)seed,
                 place.round, place.worker, place.step, is_child ? ", child of a fork" : "", place.call);
    va_list list;
    va_start(list, format);
    used += vsnprintf(line + used, sizeof line - (size_t)used, format, list);
    va_end(list);
    used = used < LINE_SIZE - 1 ? used : LINE_SIZE - 1;
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)used) < 0) {
        _exit(2);
    }
    _exit(1);
}

static void fault_catch(int number)
{
    if (number == SIGALRM) {
        fault_die("the process hangs");
    }
    fault_die("the process was ended by signal %d", number);
}

void fault_open(uint64_t number)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};
    seed = number;
    for (unsigned i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        struct sigaction action = {.sa_handler = fault_catch};
        sigaction(deadly[i], &action, NULL);
    }
}

void fault_note_child(void)
{
    is_child = true;
    /* if a thread of the parent was printing a fault at the moment of the fork, the child has inherited the flag set */
    atomic_flag_clear(&told);
}

void fault_watch(unsigned seconds)
{
    alarm(seconds);
}
