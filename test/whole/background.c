/* These cases test the background thread, which SOCKMALLOC_BACKGROUND=1 starts: it purges free pages, and never
 * disturbs the program. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "outside.h"
#include "plugin.h"
#include "pools.h"

enum { LARGE = 8, BLOCKS = 16 };

/*
 * Sleeps for a moment. Tests call it in a loop that reads a figure, because no event reports when the figure changes.
 */
static void rest(void)
{
    struct timespec moment = {.tv_nsec = 5000000};
    nanosleep(&moment, NULL);
}

/*
 * Returns the number of the process's threads. It is the link count of /proc/self/task less 2, because that directory
 * has one link for each thread beside its own two. Unlike reading the directory, reading its link count allocates
 * nothing.
 */
static unsigned count_threads(void)
{
    struct stat tasks;
    CHECK_EQUAL(stat("/proc/self/task", &tasks), 0);
    return (unsigned)tasks.st_nlink - 2;
}

static void use_blocks(void)
{
    char *blocks[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(pools_size(LARGE));
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 1, pools_size(LARGE));
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
}

static unsigned threads_before_main;

/* Uses memory before main, as the constructors of a program do, so that the background thread already has work when
 * main begins. */
__attribute__((constructor)) static void use_blocks_early(void)
{
    use_blocks();
    threads_before_main = count_threads();
}

CASE(is_made_when_main_begins)
{
    CHECK_EQUAL(threads_before_main, 1);
    CHECK_EQUAL(count_threads(), 2);
    use_blocks();
    CHECK_EQUAL(count_threads(), 2);
}

CASE(is_not_made_unless_wanted)
{
    use_blocks();
    CHECK_EQUAL(count_threads(), 1);
}

/* The program does nothing but wait while its free pages go back to the kernel. */
CASE(pages_go_while_the_program_is_silent)
{
    use_blocks();
    /*
     * this thread may have been suspended after it freed the blocks, so the background thread may already have purged
     * some pages
     */
    uint64_t resident = pools_bucket_figure(LARGE, "resident_free");
    CHECK(resident == BLOCKS * pools_size(LARGE) || pools_bucket_figure(LARGE, "purged") > 0);
    while (pools_bucket_figure(LARGE, "purged") < BLOCKS) {
        rest();
    }
    CHECK_EQUAL(pools_bucket_figure(LARGE, "resident_free"), 0);
    pools_check_ledger();
}

/* Returns a number from a thread's status file in /proc: the one in the line `name`, read in the given base. */
static uint64_t status_figure(const char *thread, const char *name, int base)
{
    char path[300];
    char line[256];
    uint64_t figure = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *status = fopen(path, "re");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            figure = strtoull(line + strlen(name), NULL, base);
            found = true;
        }
    }
    CHECK(fclose(status) == 0 && found);
    return figure;
}

static uint64_t naps_of_other_threads(void)
{
    uint64_t sum = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != (int)getpid()) {
            sum += status_figure(entry->d_name, "voluntary_ctxt_switches:\t", 10);
        }
    }
    closedir(tasks);
    return sum;
}

/*
 * Returns true if the background thread no longer wakes up by itself: it stays asleep for 250 ms. If it were still
 * purging, it would wake up ten times in this time.
 */
static bool thread_is_asleep(void)
{
    uint64_t before = naps_of_other_threads();
    struct timespec ten_naps = {.tv_nsec = 250000000};
    nanosleep(&ten_naps, NULL);
    return naps_of_other_threads() == before;
}

/* After the background thread has stopped looking for free pages, a new burst wakes it, and it purges the pages of that
 * burst too. */
CASE(wakes_for_the_next_burst)
{
    for (unsigned burst = 0; burst < 3; burst++) {
        pages_go_while_the_program_is_silent();
        while (!thread_is_asleep()) {
        }
    }
    CHECK_EQUAL(count_threads(), 2);
}

static void expect_blocked(const char *thread)
{
    uint64_t blocked = status_figure(thread, "SigBlk:\t", 16);
    for (int number = 1; number < NSIG; number++) {
        bool cannot_be = number == SIGKILL || number == SIGSTOP || number == 32 || number == 33;
        CHECK(cannot_be || (blocked >> (number - 1) & 1) == 1);
    }
}

CASE(blocks_every_signal)
{
    char own[32];
    unsigned others = 0;
    sigset_t mine;
    snprintf(own, sizeof own, "%d", (int)getpid());
    use_blocks();
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, own) != 0) {
            expect_blocked(entry->d_name);
            others++;
        }
    }
    closedir(tasks);
    CHECK_EQUAL(others, 1);
    CHECK_EQUAL(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
    CHECK_EQUAL(sigismember(&mine, SIGUSR2), 0);
}

/*
 * Forks a child, which at first has no background thread. The function `wait` waits for events or starts a thread. A
 * call of `wait` must start the background thread, but only after the child has used memory. malloc and free must not
 * start it. Each call of `wait` itself starts `own_threads` threads.
 */
static void expect_anew(void (*wait)(void), unsigned own_threads)
{
    use_blocks();
    if (check_is_child()) {
        CHECK_EQUAL(count_threads(), 1);
        wait();
        CHECK_EQUAL(count_threads(), 1 + own_threads);
        use_blocks();
        CHECK_EQUAL(count_threads(), 1 + own_threads);
        wait();
        CHECK_EQUAL(count_threads(), 2 + 2 * own_threads);
        pages_go_while_the_program_is_silent();
        _exit(EXIT_SUCCESS);
    }
}

static void wait_by(const char *name)
{
    int (*wait)(int, struct epoll_event *, int, int, const sigset_t *);
    int (*timed_wait)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);
    bool timed = strcmp(name, "epoll_pwait2") == 0;
    struct epoll_event event;
    struct timespec none = {0};
    int file = epoll_create1(EPOLL_CLOEXEC);
    CHECK(file >= 0);
    *(void **)&wait = check_find(name);
    *(void **)&timed_wait = check_find(name);
    int came = timed ? timed_wait(file, &event, 1, &none, NULL) : wait(file, &event, 1, 0, NULL);
    CHECK(came == 0 || (came == -1 && errno == ENOSYS));
    CHECK_EQUAL(close(file), 0);
}

static void wait_for_events(void)
{
    struct epoll_event event;
    int file = epoll_create1(EPOLL_CLOEXEC);
    CHECK(file >= 0);
    CHECK_EQUAL(epoll_wait(file, &event, 1, 0), 0);
    CHECK_EQUAL(close(file), 0);
}

static void wait_for_events_with_a_mask(void)
{
    wait_by("epoll_pwait");
}

static void wait_for_events_and_nanoseconds(void)
{
    wait_by("epoll_pwait2");
}

static void wait_for_a_signal(void)
{
    sigset_t none;
    struct timespec moment = {0};
    sigemptyset(&none);
    CHECK_EQUAL(sigtimedwait(&none, NULL, &moment), (uint64_t)-1);
    CHECK_EQUAL(errno, EAGAIN);
}

static void *sleep_on(void *unused)
{
    for (;;) {
        pause();
    }
    return unused;
}

static void make_a_thread(void)
{
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, sleep_on, NULL), 0);
    CHECK_EQUAL(pthread_detach(thread), 0);
}

CASE(is_gone_in_a_child_and_made_anew_there)
{
    expect_anew(wait_for_events, 0);
    expect_anew(wait_for_events_with_a_mask, 0);
    expect_anew(wait_for_events_and_nanoseconds, 0);
    expect_anew(wait_for_a_signal, 0);
    expect_anew(make_a_thread, 1);
}

static int wait_and_end(void *unused)
{
    wait_for_events();
    _exit(unused == NULL ? EXIT_SUCCESS : EXIT_FAILURE);
}

/*
 * A child that shares its parent's memory, as a child of vfork does, starts no background thread. The memory that they
 * share says whether the process has a background thread, so the parent would otherwise start none of its own later.
 */
CASE(is_not_made_by_a_child_that_borrows)
{
    static _Alignas(16) char stack[64 << 10];
    use_blocks();
    if (check_is_child()) {
        use_blocks();
        pid_t borrower = clone(wait_and_end, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
        CHECK(borrower > 0);
        check_wait(borrower);
        CHECK_EQUAL(count_threads(), 1);
        wait_for_events();
        CHECK_EQUAL(count_threads(), 2);
        _exit(EXIT_SUCCESS);
    }
}

static plugin_touch_call *touch;

static void *touch_it(void *unused)
{
    CHECK(touch()[0] == 1);
    return unused;
}

/*
 * The program has supplied the stack of a thread. When this thread ends, libc frees the thread-local storage that a
 * plug-in has in this thread, and meanwhile holds the lock of all thread stacks. So the library's free must not start
 * the background thread there: pthread_create needs this lock, and would hang.
 */
CASE(threads_end_with_storage_of_a_plugin)
{
    static _Alignas(4096) char stack[1 << 18];
    pthread_attr_t attributes;
    void *handle = dlopen(check_arguments[0], RTLD_NOW);
    CHECK(handle != NULL);
    *(void **)&touch = dlsym(handle, "plugin_touch");
    CHECK(touch != NULL);
    CHECK_EQUAL(pthread_attr_init(&attributes), 0);
    CHECK_EQUAL(pthread_attr_setstack(&attributes, stack, sizeof stack), 0);
    for (unsigned i = 0; i < 200; i++) {
        pthread_t thread;
        CHECK_EQUAL(pthread_create(&thread, &attributes, touch_it, NULL), 0);
        CHECK_EQUAL(pthread_join(thread, NULL), 0);
    }
    CHECK_EQUAL(dlclose(handle), 0);
}

static void terminate_oneself(void)
{
    use_blocks();
    wait_for_events(); /* this call starts the background thread in a fork child */
    CHECK_EQUAL(count_threads(), 2);
    outside_send(SIGTERM);
    pause();
}

CASE(is_ended_by_sigterm)
{
    outside_check_killed(terminate_oneself, SIGTERM);
}

static void *outlive_main(void *main_thread)
{
    CHECK_EQUAL(pthread_join(*(pthread_t *)main_thread, NULL), 0);
    return NULL;
}

static void end_main_early(void)
{
    static pthread_t main_thread;
    pthread_t thread;
    main_thread = pthread_self();
    use_blocks();
    CHECK_EQUAL(pthread_create(&thread, NULL, outlive_main, &main_thread), 0);
    CHECK_EQUAL(pthread_detach(thread), 0);
    pthread_exit(NULL);
}

/* A process ends when the last thread of the program ends, although the library's background thread still runs. */
CASE(process_ends_with_its_own_last_thread)
{
    if (check_is_child()) {
        end_main_early();
    }
}
