/* Forks while all workers are busy. The child checks all slots and counters that it inherited, and then goes on to
 * allocate and free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "child.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "claim.h"
#include "fault.h"
#include "job.h"
#include "lay.h"
#include "memory/region.h"
#include "percpu/rseq.h"

enum { CHILD_SECONDS = 120, CHILD_OPERATIONS = 2000, CHILD_WORKERS = 3, CHILD_NUMBERS = 1 << 10 };

static struct worker workers[CHILD_WORKERS];
static _Atomic unsigned forks;

/*
 * The number of threads that work in a child. ThreadSanitizer checks nothing in the child of a process that had several
 * threads, and may hang when this child starts a thread. So under ThreadSanitizer only the thread that forked works in
 * the child.
 */
static const unsigned child_threads = rseq_is_watched ? 1 : CHILD_WORKERS;

/*
 * Stores in *own what the child has inherited: for each bucket the live slots, the bytes requested in them, the carved
 * slots, and how many of the live slots have no owner in the table of claims (claim.h). Ends the process with a fault
 * if the table has an owner for a slot that is not live by its metadata.
 */
static void child_inherit(struct judge_case *own)
{
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        unsigned bucket = region_bucket(number);
        if (slot_meta_state(region_meta(number)) == SLOT_LIVE) {
            own->live[bucket]++;
            own->weight[bucket] += region_request(number);
        } else if (claim_read(number).serial != 0) {
            fault_die("after fork: owner %lx has slot %u of bucket %s, whose metadata says %x",
                      claim_read(number).serial, number, lay_plan.label[bucket], region_meta(number));
        }
    }
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        own->lost[bucket] = own->live[bucket] - claim_count(bucket);
        own->carved[bucket] = region_carved(bucket);
    }
}

/* Returns how many live slots without an owner the child may have inherited. They are the slots that other workers were
 * just allocating, freeing or resizing at the fork. */
static uint64_t child_expect_lost(const struct judge_case *parent, const struct worker *self)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < parent->count; i++) {
        const struct worker *worker = &parent->workers[i];
        bool resizing = atomic_load_explicit(&worker->resizing, memory_order_relaxed);
        most += worker == self ? 0 : resizing ? 2 : 1;
    }
    return most;
}

static void child_judge_lost(const struct judge_case *parent, const struct worker *self, const struct judge_case *own)
{
    uint64_t lost = 0;
    uint64_t most = child_expect_lost(parent, self);
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        lost += own->lost[bucket];
    }
    if (lost > most) {
        fault_die("after fork: %lu live slots have no owner; the other workers can have had "
                  "%lu at most",
                  lost, most);
    }
}

/* Checks the contents of each inherited block that was filled, and frees about half of these blocks. */
static void child_check_blocks(void)
{
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        struct claim claim = claim_read(number);
        if (claim.serial == 0 || !claim.filled) {
            continue;
        }
        if (number % 2 == 0) {
            worker_give(&workers[0], region_slot(number));
        } else {
            worker_check(region_slot(number));
        }
    }
}

static void *child_trade(void *argument)
{
    for (unsigned i = 0; i < CHILD_OPERATIONS; i++) {
        job_trade(argument);
    }
    return NULL;
}

static void child_churn(void)
{
    pthread_t thread[CHILD_WORKERS];
    for (unsigned i = 1; i < child_threads; i++) {
        if (pthread_create(&thread[i], NULL, child_trade, &workers[i]) != 0) {
            fault_die("the child can't start a thread");
        }
    }
    child_trade(&workers[0]);
    for (unsigned i = 1; i < child_threads; i++) {
        pthread_join(thread[i], NULL);
    }
}

static __attribute__((noreturn)) void child_live(const struct judge_case *parent, const struct worker *self,
                                                 unsigned number)
{
    struct judge_case own = {.workers = workers, .count = CHILD_WORKERS};
    fault_watch(CHILD_SECONDS, "the child of a fork");
    for (unsigned i = 0; i < CHILD_WORKERS; i++) {
        worker_begin(&workers[i], CHILD_NUMBERS + number * CHILD_WORKERS + i);
    }
    child_inherit(&own);
    child_judge_lost(parent, self, &own);
    judge_at_rest(&own, "after fork");
    job_forget_shelves();
    child_check_blocks();
    child_churn();
    judge_at_rest(&own, "in a child, after work");
    judge_by_emptying(&own, &workers[0], "in a child, with all slots taken");
    _exit(0);
}

static void child_await(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0) {
    }
    if (WIFSIGNALED(status)) {
        fault_die("child %d died by signal %d", (int)child, WTERMSIG(status));
    }
    if (WEXITSTATUS(status) != 0) {
        fault_die("child %d found a fault, or died with code %d", (int)child, WEXITSTATUS(status));
    }
}

void child_fork(const struct judge_case *parent, const struct worker *self)
{
    unsigned number = atomic_fetch_add(&forks, 1) % CHILD_NUMBERS;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        child_live(parent, self, number);
    }
    if (child < 0) {
        fault_die("fork failed");
    }
    child_await(child);
}
