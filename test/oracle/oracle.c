/* Makes random calls of the whole interface of malloc, and compares each result with a model, which follows only the
 * standards and the man pages. Between these calls it makes random calls on fixed-size pools, message pages and
 * rings, which all threads share. The model of these calls follows only include/sockmalloc.h.
 *
 * usage: oracle --seed N [--rounds N] [--steps N] [--seconds N] [--control]
 *   --seconds N   a run that takes longer than this counts as hung (120)
 *   --control     tests a malloc that is not sockmalloc's; without this option, malloc must be sockmalloc's
 * The seed decides the number of threads, and what each thread does in each round. In a round every thread works on a
 * shelf of blocks of its own. After the round all threads but the first end, and each shelf goes to another thread.
 * Children of forks go on with the blocks that they inherited, as their parents do. Some children are forked between
 * two rounds, and run a round with threads of their own. Others are forked in the middle of a round. Two runs of one
 * seed can differ in how the steps of several threads mix, in the addresses of blocks, and in what depends on the
 * clock. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffers.h"
#include "calls.h"
#include "draw.h"
#include "fault.h"
#include "step.h"

enum { THREADS = 4, FORK_STEPS = 500, CHILD_STEPS = 100, NOBODY = -1 };

_Static_assert(THREADS *STEP_SLOTS + MODEL_BUFFERS <= MODEL_BLOCKS, "the model has room for all blocks");

static struct {
    unsigned long seed;
    unsigned long rounds;
    unsigned long steps; /* how many steps a thread makes in a round, at most */
    unsigned long seconds;
    bool is_control;
} command = {.rounds = 6, .steps = 800, .seconds = 120};

static struct shelf shelves[THREADS];
static unsigned threads;
static unsigned round_now;
static bool is_child;

struct worker {
    unsigned number;
    pthread_t thread;
    unsigned long steps;
    unsigned long forks;
};

/*
 * Returns the shelf, a set of blocks, that the worker uses in this round. In the next round the worker uses the next
 * shelf.
 */
static struct shelf *shelf_of(unsigned worker)
{
    return &shelves[(worker + round_now) % threads];
}

/* Forks. Returns the child's process id, or 0 in the child. No thread changes the model during the fork, so the child's
 * copy of it is consistent. */
static pid_t fork_here(void)
{
    pid_t parent = getpid();
    buffers_stop();
    model_stop();
    pid_t child = fork();
    model_go_on();
    buffers_go_on(child == 0);
    if (child < 0) {
        fault_die("fork failed");
    }
    if (child == 0) {
        is_child = true;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* if the parent ends because of a fault, the kernel kills the child */
        if (getppid() != parent) {
            _exit(1);
        }
        fault_note_child();
        fault_watch((unsigned)command.seconds);
    }
    return child;
}

/* Waits for a child. Ends this process if the child was killed, or if the child found a fault, which it has printed. */
static void reap(pid_t child)
{
    int status;
    if (child == NOBODY) {
        return;
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) > 1) {
        fault_die("a child ended with the status 0x%x", (unsigned)status);
    }
    if (WEXITSTATUS(status) == 1) {
        _exit(1);
    }
}

/* Makes `steps` steps of a worker, and now and then forks. A child that is forked in the middle of a round has only the
 * shelf (set of blocks) of the thread that forked, and ends in this function. */
static void work(struct worker *worker, struct draw draw, unsigned long steps)
{
    struct shelf *shelf = shelf_of(worker->number);
    pid_t child = NOBODY;
    for (place.step = 1; place.step <= steps; place.step++) {
        step_run(shelf, &draw);
        if (!is_child && child == NOBODY && draw_one_in(&draw, FORK_STEPS)) {
            child = fork_here();
            if (child == 0) {
                draw = draw_begin(command.seed, round_now, worker->number, true);
                work(worker, draw, CHILD_STEPS);
                step_check_all(shelf);
                _exit(0);
            }
            worker->forks++;
        }
    }
    worker->steps += steps;
    place.call = "a fork in mid-round";
    reap(child);
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    place = (struct place){.round = round_now, .worker = worker->number, .call = "start"};
    struct draw draw = draw_begin(command.seed, round_now, worker->number, is_child);
    unsigned long steps = 1 + draw_below(&draw, command.steps);
    work(worker, draw, steps);
    return NULL;
}

static void run_threads(struct worker *worker)
{
    for (unsigned i = 1; i < threads; i++) {
        if (pthread_create(&worker[i].thread, NULL, worker_run, &worker[i]) != 0) {
            fault_die("a thread could not be made");
        }
    }
    worker_run(&worker[0]);
    for (unsigned i = 1; i < threads; i++) {
        pthread_join(worker[i].thread, NULL);
    }
    for (unsigned i = 0; i < threads; i++) {
        step_check_all(&shelves[i]);
    }
}

static void run_all(void)
{
    struct worker worker[THREADS] = {{0}};
    struct draw draw = draw_begin(command.seed, 0, THREADS, false);
    unsigned long steps = 0;
    unsigned long forks = 0;
    threads = 1 + (unsigned)draw_below(&draw, THREADS);
    for (unsigned i = 0; i < threads; i++) {
        worker[i].number = i;
    }
    for (round_now = 1; round_now <= command.rounds; round_now++) {
        pid_t child = draw_one_in(&draw, 3) ? fork_here() : NOBODY;
        run_threads(worker);
        if (child == 0) {
            _exit(0);
        }
        place.call = "a fork between rounds";
        reap(child);
        forks += child != NOBODY;
    }
    buffers_close(&draw);
    for (unsigned i = 0; i < threads; i++) {
        step_give_all(&shelves[i], &draw);
        steps += worker[i].steps;
        forks += worker[i].forks;
    }
    printf("oracle: seed %lu: %lu steps, %u threads, %lu forks, %u misuses\n", command.seed, steps, threads, forks,
           buffers_misuses());
}

static unsigned long *command_number(const char *word)
{
    return strcmp(word, "--seed") == 0      ? &command.seed
           : strcmp(word, "--rounds") == 0  ? &command.rounds
           : strcmp(word, "--steps") == 0   ? &command.steps
           : strcmp(word, "--seconds") == 0 ? &command.seconds
                                            : NULL;
}

int main(int count, char **words)
{
    for (int i = 1; i < count; i++) {
        unsigned long *number = command_number(words[i]);
        if (strcmp(words[i], "--control") == 0) {
            command.is_control = true;
        } else if (number != NULL && i + 1 < count && atol(words[i + 1]) > 0) {
            *number = (unsigned long)atol(words[++i]);
        } else {
            fprintf(stderr, "usage: oracle --seed N [--rounds N] [--steps N] [--seconds N] [--control]\n");
            return 2;
        }
    }
    if (calls_are_sockmalloc() == command.is_control) {
        fprintf(stderr, "oracle: malloc is %ssockmalloc's\n", command.is_control ? "" : "not ");
        return 2;
    }
    fault_open(command.seed);
    fault_watch((unsigned)command.seconds);
    step_open();
    buffers_open();
    run_all();
    return 0;
}
