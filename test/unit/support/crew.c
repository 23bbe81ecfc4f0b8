/* Starts several threads at one moment, and provides CHECK, which any thread or child process may use. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/crew.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { CREW_MAX = 1024 };

struct member {
    pthread_t thread;
    crew_work *work;
    unsigned number;
};

static _Atomic(const char *) fault;
static unsigned wanted;
static _Atomic unsigned arrived;
static pthread_barrier_t meeting;

bool crew_check(bool holds, const char *what)
{
    const char *none = NULL;
    if (!holds) {
        atomic_compare_exchange_strong(&fault, &none, what);
    }
    return holds;
}

const char *crew_fault(void)
{
    return atomic_load(&fault);
}

static void *crew_member(void *argument)
{
    const struct member *member = argument;
    /* The threads wait for each other by this counter. A barrier would be worse, because the first thread that it wakes
     * could finish its work before the last one starts. */
    atomic_fetch_add(&arrived, 1);
    while (arrived < wanted) {
        sched_yield();
    }
    member->work(member->number);
    return NULL;
}

void crew_run(unsigned count, crew_work *work)
{
    struct member members[CREW_MAX];
    cr_assert_leq(count, (unsigned)CREW_MAX);
    wanted = count;
    arrived = 0;
    cr_assert_eq(pthread_barrier_init(&meeting, NULL, count), 0);
    for (unsigned i = 0; i < count; i++) {
        members[i] = (struct member){.work = work, .number = i};
        cr_assert_eq(pthread_create(&members[i].thread, NULL, crew_member, &members[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(pthread_join(members[i].thread, NULL), 0);
    }
    cr_assert_null(crew_fault(), "%s", crew_fault());
}

bool crew_meet(void)
{
    return pthread_barrier_wait(&meeting) == PTHREAD_BARRIER_SERIAL_THREAD;
}

bool crew_is_asleep(int thread)
{
    char line[128];
    snprintf(line, sizeof line, "/proc/self/task/%d/stat", thread);
    FILE *file = fopen(line, "r");
    if (file == NULL) {
        return false;
    }
    const char *name = fgets(line, sizeof line, file);
    const char *name_end = name != NULL ? strrchr(name, ')') : NULL;
    fclose(file);
    return name_end != NULL && strncmp(name_end, ") S", 3) == 0;
}

uint64_t crew_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
