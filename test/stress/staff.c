/*
 * Starts the threads that run the workers. A worker (worker.h) is a sequence of random allocations and frees. The work
 * is done in rounds. When a thread ends in the middle of a round, a new thread goes on with the worker of that thread.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "staff.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "child.h"
#include "command.h"
#include "fault.h"
#include "job.h"

enum { ROUNDS_MIN = 8, ROUND_OPERATIONS = 100000, LOOKS = 32, SLOT = 16384, PROGRESS_SECONDS = 10 };

/* A post is the place of a worker: it says what the worker does, and which thread runs the worker at present. */
struct post {
    struct worker *worker;
    job *job;
    bool is_mortal;
    uint64_t done; /* how many operations the worker has done since the start */
    uint64_t life; /* how many operations the present thread still does before it ends */
    char *last;    /* the block that an ending thread frees after its cache was closed */
    pthread_t thread;
    pthread_t former;
    bool has_former;
};

/* the last worker is run by the first thread of the process, and each other worker by a thread of its own */
static struct worker workers[STAFF_MAX + 1];
static struct post posts[STAFF_MAX];
static struct judge_case all = {.workers = workers};
static uint64_t rounds;
static uint64_t share; /* how many operations one worker does in one round */
static pthread_barrier_t gate;
static pthread_key_t last_key;
static _Atomic uint64_t replacements;
static _Atomic uint64_t forks;

struct judge_case *staff_case(void)
{
    return &all;
}

static struct worker *staff_first(void)
{
    return &workers[command.threads];
}

static void *post_man(void *argument);

/* Frees the last block of an ending thread. This is a destructor of a thread-specific value. It runs after the
 * destructor of the thread's cache, because its key was made later. */
static void post_free_last(void *argument)
{
    struct post *post = argument;
    worker_give(post->worker, post->last);
}

/*
 * Deletes last_key, a key of thread-specific values, in the child of a fork. At the fork, another thread of the parent
 * may be in the middle of its destructors. Then glibc's __reclaim_stacks does not clear the values whose destructors
 * that thread had not run yet. A new thread of the child that got that thread's stack would find these values.
 */
static void staff_after_fork(void)
{
    pthread_key_delete(last_key);
}

static void post_leave_last(struct post *post)
{
    for (unsigned place = 0; place < WORKER_HOLDS; place++) {
        if (post->worker->held[place] != NULL) {
            post->last = post->worker->held[place];
            post->worker->held[place] = NULL;
            pthread_setspecific(last_key, post);
            return;
        }
    }
}

static void post_start(struct post *post)
{
    post->life = 1 + worker_random(post->worker) % share;
    if (pthread_create(&post->thread, NULL, post_man, post) != 0) {
        fault_die("can't start a thread");
    }
}

/* Lets the present thread of the post end in the middle of a round, and starts the next thread of the post. The next
 * thread first waits until the last destructor of the ending thread has run. */
static void post_hand_over(struct post *post)
{
    post->former = pthread_self();
    post->has_former = true;
    post_leave_last(post);
    atomic_fetch_add(&replacements, 1);
    post_start(post);
}

static void staff_fork(struct worker *worker)
{
    if (command.forks) {
        atomic_fetch_add(&forks, 1);
        child_fork(&all, worker);
    }
}

/*
 * Does one operation of the worker. In each round, only one worker also checks the counters and forks. The check reads
 * the counts of all workers. Therefore all that the workers did before is ordered before the checking thread's next
 * steps (happens-before). If every worker checked, ThreadSanitizer could not notice if the pools failed to order two
 * threads.
 */
static void post_do(struct post *post)
{
    uint64_t round = post->done / share;
    uint64_t step = post->done % share;
    bool is_its_turn = round % command.threads == post->worker->number;
    post->job(post->worker);
    if (is_its_turn && step % (share / LOOKS + 1) == 0) {
        judge_under_load(&all);
    }
    if (is_its_turn && step == share / 2) {
        staff_fork(post->worker);
    }
    post->done++;
}

static void *post_man(void *argument)
{
    struct post *post = argument;
    if (post->has_former) {
        pthread_join(post->former, NULL);
    }
    while (post->done < rounds * share) {
        if (post->done % share == 0) {
            pthread_barrier_wait(&gate); /* the round begins */
        }
        post_do(post);
        if (post->done % share == 0) {
            /* the worker has done its part of this round; when all workers have come here, the first thread compares
             * their counts with the pools' counters */
            pthread_barrier_wait(&gate);
        } else if (post->is_mortal && --post->life == 0) {
            post_hand_over(post);
            return NULL;
        }
    }
    /* waits once more, because a thread that ends gives up the slots in its cache, which must not happen while the
     * first thread compares the counts */
    pthread_barrier_wait(&gate);
    return NULL;
}

static void staff_hire(void)
{
    unsigned takers = command.threads / 4;
    rounds = command.operations / ROUND_OPERATIONS;
    rounds = rounds < ROUNDS_MIN ? ROUNDS_MIN : rounds;
    share = command.operations / rounds / command.threads + 1;
    all.count = command.threads + 1;
    for (unsigned i = 0; i < all.count; i++) {
        worker_begin(&workers[i], i);
    }
    for (unsigned i = 0; i < command.threads; i++) {
        posts[i] = (struct post){.worker = &workers[i],
                                 .job = i < takers       ? job_take
                                        : i < 2 * takers ? job_give
                                                         : job_trade,
                                 .is_mortal = i % 2 == 1};
    }
}

static void staff_start(void)
{
    if (pthread_barrier_init(&gate, NULL, command.threads + 1) != 0 ||
        pthread_key_create(&last_key, post_free_last) != 0 || pthread_atfork(NULL, NULL, staff_after_fork) != 0) {
        fault_die("no memory for a barrier or a key");
    }
    for (unsigned i = 0; i < command.threads; i++) {
        post_start(&posts[i]);
    }
}

/* Prints the progress of long runs. Short runs end before the first such line. */
static void staff_say_progress(uint64_t round)
{
    static time_t said;
    time_t now = time(NULL);
    said = said == 0 ? now : said;
    if (now - said >= PROGRESS_SECONDS) {
        said = now;
        fprintf(stderr, "stress: %lu of %lu rounds, %lu forks, %lu replacements\n", round, rounds, (unsigned long)forks,
                (unsigned long)replacements);
    }
}

static void staff_run_round(uint64_t round)
{
    pthread_barrier_wait(&gate);
    if (round % 2 == 1) {
        staff_fork(staff_first());
    }
    if (round == rounds / 2) {
        staff_first()->held[0] = worker_take(staff_first(), SLOT, false);
    }
    pthread_barrier_wait(&gate);
    judge_at_rest(&all, "after a round");
    staff_say_progress(round + 1);
}

static void staff_dismiss(void)
{
    struct worker *first = staff_first();
    pthread_barrier_wait(&gate);
    for (unsigned i = 0; i < command.threads; i++) {
        pthread_join(posts[i].thread, NULL);
    }
    for (unsigned i = 0; i < all.count; i++) {
        job_clear(&workers[i]);
    }
    job_clear_shelves(first);
    judge_at_rest(&all, "when all was freed");
    judge_by_emptying(&all, first, "with all slots taken");
}

struct staff_totals staff_run(void)
{
    staff_hire();
    staff_start();
    for (uint64_t round = 0; round < rounds; round++) {
        staff_run_round(round);
    }
    staff_dismiss();
    return (struct staff_totals){.rounds = rounds, .forks = forks, .replacements = replacements};
}
