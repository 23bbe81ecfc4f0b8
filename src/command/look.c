/* Looks at other processes by a child, which is given up if a look takes too long. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/look.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/option.h"

enum look_kind { LOOK_FIND, LOOK_FIND_NAMED, LOOK_TAKE, LOOK_LOADED };

/* One look: what is wanted, and what came of it. In memory that the child shares. */
struct look {
    enum look_kind kind;
    enum remote_process_state state;
    struct remote_process target;
    struct snapshot snapshot;
    char program[REMOTE_NAME_SIZE]; /* the snapshot's, whose pointer is the child's */
    struct bucket_plan plan;
    struct option_set options;
    struct remote_linkmap loaded;
};

static bool by_child;       /* look_open was called */
static struct look *shared; /* NULL: it was not, or there was no memory */
static unsigned patience;   /* milliseconds that a look may take */
static pid_t child;         /* 0: none */
static int channel;         /* to the child: a byte each way says "go on" */

static void look_do(struct look *look)
{
    switch (look->kind) {
    case LOOK_FIND:
        look->state = remote_process_find(&look->target);
        break;
    case LOOK_FIND_NAMED:
        look->state = remote_process_find_named(&look->target);
        break;
    case LOOK_TAKE:
        look->state = remote_snapshot_take(&look->target, &look->snapshot);
        break;
    case LOOK_LOADED:
        remote_linkmap_find(&look->target, &look->loaded);
        look->state = REMOTE_READ;
        break;
    }
    if (look->kind == LOOK_TAKE && look->state == REMOTE_READ) {
        strncpy(look->program, look->snapshot.program, sizeof look->program - 1);
        look->plan = remote_snapshot_plan;
        look->options = options;
    }
}

/*
 * The child's life. It leaves the terminal's signals to its parent by a process group of its own,
 * and holds no descriptor that somebody may wait for the end of.
 */
__attribute__((noreturn)) static void look_serve(int parent, int end)
{
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++) {
        if (descriptor != end) {
            close(descriptor);
        }
    }
    while (getppid() == parent && recv(end, &byte, 1, 0) == 1) {
        look_do(shared);
        if (send(end, &byte, 1, MSG_NOSIGNAL) != 1) {
            break;
        }
    }
    _exit(0);
}

static bool look_start(void)
{
    int ends[2];
    int parent = (int)getpid();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return false;
    }
    child = fork();
    if (child == 0) {
        close(ends[0]);
        look_serve(parent, ends[1]);
    }
    close(ends[1]);
    channel = ends[0];
    if (child < 0) {
        close(channel);
        child = 0;
        return false;
    }
    return true;
}

static uint64_t look_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits for the child's byte, or its end. False: neither came in so many milliseconds. */
static bool look_wait(uint64_t milliseconds)
{
    struct pollfd answer = {.fd = channel, .events = POLLIN};
    uint64_t due = look_now() + milliseconds;
    int ready;
    do {
        uint64_t now = look_now();
        ready = poll(&answer, 1, now < due ? (int)(due - now) : 0);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* Ends the child. One that the kernel does not let end at once is not waited for. */
static void look_give_up(void)
{
    kill(child, SIGKILL);
    look_wait(1000);
    waitpid(child, NULL, WNOHANG);
    close(channel);
    child = 0;
}

/* Has the child begin; another one, if somebody has ended it meanwhile. */
static bool look_send(void)
{
    char byte = 0;
    for (int tries = 0; tries < 2; tries++) {
        if (child == 0 && !look_start()) {
            return false;
        }
        if (send(channel, &byte, 1, MSG_NOSIGNAL) == 1) {
            return true;
        }
        look_give_up();
    }
    return false;
}

static enum remote_process_state look_ask(struct look *look)
{
    char byte;
    if (shared == NULL || !look_send()) {
        return REMOTE_UNTRIED;
    }
    bool answered = look_wait(patience);
    if (answered && recv(channel, &byte, 1, MSG_DONTWAIT) == 1) {
        return look->state;
    }
    look_give_up();
    return answered ? REMOTE_BROKEN : REMOTE_LATE;
}

void look_open(unsigned milliseconds)
{
    by_child = true;
    patience = milliseconds;
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared = memory != MAP_FAILED ? memory : NULL;
}

int look_child(void)
{
    return (int)child;
}

/* Where the look is prepared: in the shared memory, or our own. */
static struct look *look_begin(enum look_kind kind, const struct remote_process *target)
{
    static struct look own;
    struct look *look = shared != NULL ? shared : &own;
    look->kind = kind;
    look->target = *target;
    return look;
}

static enum remote_process_state look_end(struct look *look, struct remote_process *target)
{
    if (by_child) {
        look->state = look_ask(look);
    } else {
        look_do(look);
    }
    *target = look->target;
    return look->state;
}

enum remote_process_state look_find(struct remote_process *target)
{
    return look_end(look_begin(LOOK_FIND, target), target);
}

enum remote_process_state look_find_named(struct remote_process *target)
{
    return look_end(look_begin(LOOK_FIND_NAMED, target), target);
}

enum remote_process_state look_take(struct remote_process *target, struct snapshot *snapshot)
{
    static char program[REMOTE_NAME_SIZE];
    struct look *look = look_begin(LOOK_TAKE, target);
    enum remote_process_state state = look_end(look, target);
    if (state == REMOTE_READ) {
        memcpy(program, look->program, sizeof program);
        *snapshot = look->snapshot;
        snapshot->program = program;
        remote_snapshot_plan = look->plan;
        options = look->options;
    }
    return state;
}

enum remote_process_state look_find_loaded(struct remote_process *target, struct remote_linkmap *loaded)
{
    struct look *look = look_begin(LOOK_LOADED, target);
    enum remote_process_state state = look_end(look, target);
    if (state == REMOTE_READ) {
        *loaded = look->loaded;
    }
    return state;
}
