/* Tests of several writers of one profile: a reader sees a whole profile at every moment. */
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
/* true once the reader has seen enough; lies in memory that is shared with the writing processes */
static atomic_bool *enough;

static void profile_place_open(void)
{
    place_open();
    enough = mmap(NULL, sizeof *enough, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)enough, MAP_FAILED);
    strcpy(path, place_path("profile"));
}

/* Skips the test on filesystems that a program serves (FUSE): they look a file up by its name first and open it
 * later, and fail if the file was replaced in between. */
static void need_rename_at_once(void)
{
    struct statfs system;
    cr_assert_eq(statfs(place_directory(), &system), 0);
    if (system.f_type == FUSE_SUPER_MAGIC) {
        cr_skip("on FUSE a file that is just being replaced may not be found");
    }
}

/* Removes the directory, which must be empty by now: the writers leave nothing beside the profile. */
static void profile_place_close(void)
{
    unlink(path);
    place_close();
}

TestSuite(profile_writers, .init = profile_place_open, .fini = profile_place_close, .timeout = 300);

/* Fills a profile with rows that all have one number, so that a reader can tell a whole profile from a mixture. */
static void fill(struct profile *profile, unsigned writer, unsigned number)
{
    profile->count = 5 * (writer + 1);
    for (unsigned i = 0; i < profile->count; i++) {
        profile->row[i] = (struct profile_row){4096UL << i, writer << 16 | number};
    }
}

/* Reads the profile if there is one. Returns false if the profile is not whole. `was` holds the number in the profile
 * that was read before, so that each new profile is counted in `changes`. */
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

/* Starts a process that writes numbered profiles until the reader has seen enough, and ends with the profile of the
 * largest number. The process is killed when the test ends. */
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

/* Processes use temporary files of different names, so each of their writes succeeds. */
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

/* The last thread of the crew reads while the others write. */
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

static unsigned done;    /* writes that the interrupted thread has completed */
static unsigned dropped; /* writes of the signal handler that were dropped */
static unsigned came;    /* writes of the signal handler that were completed */

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

/* Returns how many instructions one write executes. */
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

/* Sends a signal at places that become denser towards the end of the write, where the file is made and renamed:
 * formatting the text takes most of the instructions. At least one of the two writes must succeed. */
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

/* A writer that is killed at any moment leaves a whole profile, and at most one temporary file beside it. */
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
