/* Tests of several writers of one profile: a reader finds a whole profile at any time. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/profile.h"
#include "support/crew.h"
#include "support/place.h"
#include "support/steps.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */, WRITERS = 3, WRITES = 300, KILLS = 50 };

static char path[PLACE_PATH_SIZE];
/* set when the reader has seen enough; it lies in memory that all processes of the test share */
static atomic_bool *enough;

static void profile_place_open(void)
{
    place_open();
    enough = mmap(NULL, sizeof *enough, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)enough, MAP_FAILED);
    strcpy(path, place_path("profile"));
}

/* Skips the test on a filesystem that a program serves (FUSE), because opening a file may fail there while another
 * process replaces it. */
static void need_rename_at_once(void)
{
    struct statfs system;
    cr_assert_eq(statfs(place_directory(), &system), 0);
    if (system.f_type == FUSE_SUPER_MAGIC) {
        cr_skip("on FUSE a file that is just being replaced may not be found");
    }
}

/* Removes the profile and its directory. Fails the test if there is another file in the directory, because the writers
 * must leave none. */
static void profile_place_close(void)
{
    unlink(path);
    place_close();
}

TestSuite(profile_writers, .init = profile_place_open, .fini = profile_place_close, .timeout = 300);

/* Fills a profile with rows that all contain the same number, so that a reader notices a mixture of two profiles. */
static void fill(struct profile *profile, unsigned writer, unsigned number)
{
    profile->count = 5 * (writer + 1);
    for (unsigned i = 0; i < profile->count; i++) {
        profile->row[i] = (struct profile_row){4096UL << i, writer << 16 | number};
    }
}

/*
 * Reads the profile, if there is one. Returns false if the profile was not written as a whole by one writer. `was` is
 * the number in the profile that was read before; if this profile has another number, stores it in `was` and adds 1 to
 * `changes`.
 */
static bool read_filled(unsigned *was, unsigned *changes)
{
    struct profile found;
    const char *fault = profile_read(path, &found);
    if (fault != NULL) {
        return fault[0] == '\0';
    }
    unsigned quota = found.row[0].quota;
    *changes += quota != *was;
    *was = quota;
    bool whole = found.count == 5 * ((quota >> 16) + 1);
    for (unsigned i = 0; i < found.count; i++) {
        whole = whole && found.row[i].quota == quota;
    }
    return whole;
}

/*
 * Starts a process that writes profiles with the numbers 1 to WRITES - 1, again and again, until the reader has seen
 * enough. Then it writes a last profile with the number WRITES. The process is killed if the test ends first.
 */
static pid_t start_writer(unsigned writer)
{
    pid_t test = getpid();
    pid_t child = fork();
    if (child != 0) {
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool done = getppid() == test;
    for (unsigned number = 1; number <= WRITES; number++) {
        struct profile profile;
        fill(&profile, writer, number);
        done = profile_write(path, &profile) && done;
        if (number == WRITES - 1 && !*enough) {
            number = 0;
        }
    }
    _exit(done ? 0 : 1);
}

/* Several processes write the profile at once. Their temporary files have different names, so no process hinders
 * another, and each completes its writes. */
Test(profile_writers, profile_of_the_last_process_stays)
{
    unsigned was = 0;
    unsigned changes = 0;
    unsigned running = WRITERS;
    need_rename_at_once();
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        cr_assert_gt(start_writer(writer), 0);
    }
    while (running > 0) {
        int status = 0;
        cr_assert(read_filled(&was, &changes), "the profile is not whole");
        *enough = changes > WRITERS;
        if (waitpid(-1, &status, WNOHANG) > 0) {
            cr_assert_eq(status, 0, "a write failed");
            running--;
        }
    }
    cr_assert(read_filled(&was, &changes));
    cr_assert_eq(was & 0xffff, (unsigned)WRITES, "the profile is not the last one that a process wrote");
}

static _Atomic unsigned successes;
static _Atomic unsigned writers_left = WRITERS;

/* Runs as a thread: the last thread reads the profile while the others write it. */
static void write_or_read(unsigned number)
{
    unsigned was = 0;
    unsigned changes = 0;
    if (number == WRITERS) {
        while (writers_left > 0 && CHECK(read_filled(&was, &changes))) {
        }
        return;
    }
    for (unsigned i = 1; i <= WRITES; i++) {
        struct profile profile;
        fill(&profile, number, i);
        successes += profile_write(path, &profile);
    }
    writers_left--;
}

/* The temporary file has the same name for all threads of a process. If a thread finds the file in use by another
 * thread, its profile is not written. A reader must find a whole profile at any time. */
Test(profile_writers, threads_drop_what_they_cannot_write)
{
    unsigned was = 0;
    unsigned changes = 0;
    need_rename_at_once();
    crew_run(WRITERS + 1, write_or_read);
    cr_assert_gt(successes, 0U);
    cr_assert(read_filled(&was, &changes));
    cr_assert_eq(changes, 1U);
}

static unsigned done;    /* how many writes the interrupted thread has completed */
static unsigned dropped; /* how many writes of the signal handler were dropped */
static unsigned came;    /* how many writes of the signal handler were completed */

static void write_second(void)
{
    struct profile profile;
    fill(&profile, 0, 2);
    done += profile_write(path, &profile);
}

static void write_between(void *context)
{
    struct profile profile;
    unsigned was = 0;
    unsigned changes = 0;
    (void)context;
    fill(&profile, 0, 1);
    errno = UNUSUAL;
    bool written = profile_write(path, &profile);
    CHECK(errno == UNUSUAL && read_filled(&was, &changes));
    dropped += !written;
    came += written;
}

static void do_nothing(void *context)
{
    (void)context;
}

/* Returns how many instructions it takes to write a profile once. */
static unsigned count_instructions(void)
{
    unsigned within = 1;
    unsigned beyond = 2;
    while (steps_run(beyond, write_second, do_nothing)) {
        within = beyond;
        beyond *= 2;
    }
    while (beyond - within > 1) {
        unsigned middle = within + (beyond - within) / 2;
        *(steps_run(middle, write_second, do_nothing) ? &within : &beyond) = middle;
    }
    return within;
}

/*
 * A signal handler writes a profile in the middle of the interrupted thread's write. At least one of the two writes
 * must succeed. Most instructions only format the text, so the test interrupts more often towards the end, where the
 * file is made and renamed.
 */
Test(profile_writers, a_handler_drops_what_it_interrupts)
{
    steps_need();
    unsigned count = count_instructions();
    for (unsigned left = 0; left < count; left += 1 + left / 4) {
        unsigned was = 0;
        unsigned changes = 0;
        unsigned before = done + came;
        steps_run(count - left, write_second, write_between);
        cr_assert_null(crew_fault(), "%u instructions before the end: %s", left, crew_fault());
        cr_assert(read_filled(&was, &changes), "%u instructions before the end", left);
        cr_assert_gt(done + came, before, "%u instructions before the end", left);
    }
    cr_assert_gt(done, 0U);
    cr_assert_gt(came, 0U, "no write of the handler was done");
    cr_assert_gt(dropped, 0U, "the handler never interrupted a write");
}

/*
 * A writer may be killed at any moment. The profile is then a whole one, and at most one temporary file lies beside it.
 */
Test(profile_writers, may_be_killed_at_any_moment)
{
    char name[PLACE_PATH_SIZE + 32];
    uint64_t state = 1;
    need_rename_at_once();
    for (unsigned i = 0; i < KILLS; i++) {
        unsigned was = 0;
        unsigned changes = 0;
        unsigned wanted = 2 + (unsigned)(crew_random(&state) % 20);
        pid_t child = start_writer(i % WRITERS);
        cr_assert_gt(child, 0);
        while (changes < wanted) {
            cr_assert(read_filled(&was, &changes), "the profile is not whole");
        }
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, NULL, 0), child);
        cr_assert(read_filled(&was, &changes), "the profile is not whole");
        snprintf(name, sizeof name, "%s.%d.new", path, (int)child);
        unlink(name);
    }
}
