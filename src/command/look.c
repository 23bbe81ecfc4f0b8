/* Reads other processes in a child process, which is killed if a read takes too long. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/look.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bounds.h"
#include "command/now.h"
#include "config/option.h"

enum look_kind {
    LOOK_FIND,
    LOOK_FIND_NAMED,
    LOOK_TAKE,
    LOOK_LOADED,
    LOOK_MEMORY,
    LOOK_POOLS,
    LOOK_FILE,
    LOOK_MESSAGES,
    LOOK_IN_USE,
    LOOK_SETTINGS,
    LOOK_SIZES
};

/*
 * A request to the child process that reads other processes, and the result of the request. The struct lies in memory
 * that this process and the child share.
 */
struct look {
    enum look_kind kind;
    enum remote_process_state state;
    struct remote_process target;
    struct snapshot snapshot;
    /* name of the program; the child's pointer to the name, in `snapshot`, is not valid in the parent */
    char program[REMOTE_NAME_SIZE];
    struct bucket_plan plan;
    struct option_set options;
    struct remote_linkmap loaded;
    struct remote_memory memory;
    struct remote_pools pools;
    struct look_file file;
    struct message_kept messages;
    struct remote_in_use in_use;
    struct remote_sizes sizes;
};

static bool by_child; /* true after look_open: a child process reads other processes for this one */
/* memory that is shared with the child that reads other processes; NULL before look_open, or if there was no memory */
static struct look *shared;
static unsigned patience; /* milliseconds that one reading of another process may take */
static pid_t child;       /* process id of the child that reads other processes; 0 if there is no child */
/* a socket to the child; a byte to the child tells it to read another process, a byte back says that the reading is
 * done */
static int channel;

/* Reads the part of a file of /proc/PID that begins at part->offset. */
static enum remote_process_state look_fill(const struct remote_process *target, struct look_file *part)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", target->process, part->name);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = file >= 0 ? pread(file, part->text, sizeof part->text, (off_t)part->offset) : -1;
    if (file >= 0) {
        close(file);
    }
    part->size = size > 0 ? (size_t)size : 0;
    if (!remote_process_is_same(target)) {
        return REMOTE_GONE;
    }
    return size >= 0 ? REMOTE_READ : REMOTE_FORBIDDEN;
}

static enum remote_process_state look_copy_messages(struct remote_process *target, struct message_kept *messages)
{
    enum remote_process_state state = remote_process_renew(target);
    const struct span *theirs = &target->view.object[INSPECT_MESSAGES];
    if (state != REMOTE_READ || theirs->size != sizeof *messages) {
        return state != REMOTE_READ ? state : REMOTE_OTHER;
    }
    return remote_process_copy(target, messages, theirs->start, sizeof *messages);
}

static enum remote_process_state look_read_settings(struct remote_process *target, struct option_set *settings)
{
    enum remote_process_state state = remote_process_renew(target);
    const struct span *theirs = &target->view.object[INSPECT_OPTIONS];
    if (state != REMOTE_READ || theirs->size != sizeof *settings) {
        return state != REMOTE_READ ? state : REMOTE_OTHER;
    }
    state = remote_process_copy(target, settings, theirs->start, sizeof *settings);
    return state == REMOTE_READ && !option_set_makes_sense(settings) ? REMOTE_SENSELESS : state;
}

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
    case LOOK_MEMORY:
        look->state = remote_memory_read(look->target.process, &look->memory) && remote_process_is_same(&look->target)
                          ? REMOTE_READ
                          : REMOTE_GONE;
        break;
    case LOOK_POOLS:
        look->state = remote_pools_read(&look->target, &look->pools);
        break;
    case LOOK_FILE:
        look->state = look_fill(&look->target, &look->file);
        break;
    case LOOK_IN_USE:
        look->state = remote_in_use_read(&look->target, &look->in_use);
        break;
    case LOOK_MESSAGES:
        look->state = look_copy_messages(&look->target, &look->messages);
        break;
    case LOOK_SIZES:
        look->state = remote_snapshot_take_sizes(&look->target, &look->sizes);
        break;
    case LOOK_SETTINGS:
        look->state = look_read_settings(&look->target, &look->options);
        break;
    }
    if (look->kind == LOOK_TAKE && look->state == REMOTE_READ) {
        strncpy(look->program, look->snapshot.program, sizeof look->program - 1);
        look->plan = remote_snapshot_plan;
        look->options = options;
    }
}

/*
 * Closes all descriptors except `kept`. stdin, stdout and stderr are closed because another process may wait until no
 * process has them open. Connections of `sockmalloc exporter` are closed because a client waits until no process has
 * its connection open. Before Linux 5.9, which has no close_range, this function closes only stdin, stdout and stderr.
 */
static void look_close_others(int kept)
{
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++) {
        if (descriptor != kept) {
            close(descriptor);
        }
    }
#ifdef SYS_close_range
    if (kept > STDERR_FILENO + 1) {
        syscall(SYS_close_range, STDERR_FILENO + 1, kept - 1, 0);
    }
    syscall(SYS_close_range, GREATER(kept, STDERR_FILENO) + 1, ~0U, 0);
#endif
}

/*
 * The main function of the child process that reads other processes. The child has a process group of its own, so that
 * the terminal sends its signals to the parent only.
 */
__attribute__((noreturn)) static void look_serve(int parent, int end)
{
    char byte;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    look_close_others(end);
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

/*
 * Waits until the child process sends its byte or ends. Returns false if neither happens within the given milliseconds.
 */
static bool look_wait(uint64_t milliseconds)
{
    struct pollfd answer = {.fd = channel, .events = POLLIN};
    uint64_t due = now_milliseconds() + milliseconds;
    int ready;
    do {
        uint64_t now = now_milliseconds();
        ready = poll(&answer, 1, now < due ? (int)(due - now) : 0);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/*
 * Kills the child that reads other processes. Waits for its end for a second at most, because the kernel may not be
 * able to end the child at once. A closed channel would not be enough: the kernel closes the descriptors of the child
 * before waitpid can return the child, and a child that waitpid has not returned stays as a zombie.
 */
static void look_give_up(void)
{
    enum { PATIENCE = 1000 }; /* milliseconds */
    kill(child, SIGKILL);
    for (uint64_t due = now_milliseconds() + PATIENCE;
         waitpid(child, NULL, WNOHANG) == 0 && now_milliseconds() < due;) {
        poll(NULL, 0, 1);
    }
    close(channel);
    child = 0;
}

/*
 * Sends a byte to the child that reads other processes, to begin the request in `shared`. Starts a child if there is
 * none, or if it has ended. Returns false if that is not possible.
 */
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

/*
 * Prepares a request to read something from the process `target`. A child of this command may carry the request out.
 * The request then lies in memory that is shared with the child; if there is no shared memory, it lies in memory of
 * this process.
 */
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

enum remote_process_state look_at_memory(struct remote_process *target, struct remote_memory *memory)
{
    struct look *look = look_begin(LOOK_MEMORY, target);
    enum remote_process_state state = look_end(look, target);
    if (state == REMOTE_READ) {
        *memory = look->memory;
    }
    return state;
}

enum remote_process_state look_at_pools(struct remote_process *target, struct remote_pools *pools)
{
    struct look *look = look_begin(LOOK_POOLS, target);
    enum remote_process_state state = look_end(look, target);
    if (state == REMOTE_READ) {
        *pools = look->pools;
    }
    return state;
}

enum remote_process_state look_read_file(struct remote_process *target, const char *name, struct look_file *part)
{
    struct look *look = look_begin(LOOK_FILE, target);
    look->file.name = name;
    look->file.offset = part->offset;
    enum remote_process_state state = look_end(look, target);
    if (state == REMOTE_READ) {
        *part = look->file;
    }
    return state;
}

enum remote_process_state look_at_messages(struct remote_process *target, struct message_kept *messages)
{
    struct look *look = look_begin(LOOK_MESSAGES, target);
    enum remote_process_state state = look_end(look, target);
    if (state == REMOTE_READ) {
        memcpy(messages, &look->messages, sizeof *messages);
    }
    return state;
}

enum remote_process_state look_at_in_use(struct remote_process *target, struct remote_in_use *in_use)
{
    struct look *look = look_begin(LOOK_IN_USE, target);
    enum remote_process_state state = look_end(look, target);
    if (state == REMOTE_READ) {
        *in_use = look->in_use;
    }
    return state;
}

enum remote_process_state look_at_settings(struct remote_process *target, struct option_set *settings)
{
    struct look *look = look_begin(LOOK_SETTINGS, target);
    enum remote_process_state state = look_end(look, target);
    if (state == REMOTE_READ) {
        *settings = look->options;
    }
    return state;
}

enum remote_process_state look_at_sizes(struct remote_process *target, struct remote_sizes *sizes)
{
    struct look *look = look_begin(LOOK_SIZES, target);
    enum remote_process_state state = look_end(look, target);
    if (state == REMOTE_READ) {
        *sizes = look->sizes;
    }
    return state;
}
