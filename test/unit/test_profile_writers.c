/* The profile room under several writers: what is read is whole, at every moment. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "place.h"
#include "profile.h"

enum { UNUSUAL = 4242 /* no call sets it */, WRITERS = 3, WRITES = 300, KILLS = 50 };

static char path[PLACE_PATH_SIZE];

static void profile_place_open(void)
{
    place_open();
    strcpy(path, place_path("profile"));
}

/* That the writers left nothing beside the profile is seen here: the directory is then empty. */
static void profile_place_close(void)
{
    unlink(path);
    place_close();
}

TestSuite(profile_writers, .init = profile_place_open, .fini = profile_place_close, .timeout = 60);

/* Profiles that a reader can tell to be whole by themselves: all rows say the same. */
static void fill(struct profile *profile, unsigned writer, unsigned number)
{
    profile->count = 5 * (writer + 1);
    for (unsigned i = 0; i < profile->count; i++) {
        profile->row[i] = (struct profile_row){4096UL << i, writer << 16 | number};
    }
}

/* Reads one if there is one; false if it is not whole. `was` tells a new one from that before. */
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

static pid_t start_writer(unsigned writer, unsigned writes)
{
    pid_t child = fork();
    if (child != 0) {
        return child;
    }
    bool done = true;
    for (unsigned number = 1; number <= writes; number++) {
        struct profile profile;
        fill(&profile, writer, number);
        done = profile_write(path, &profile) && done;
    }
    _exit(done ? 0 : 1);
}

/* Processes never get into each other's way: each of their writes is done. */
Test(profile_writers, of_several_processes_the_last_one_stays)
{
    unsigned was = 0;
    unsigned changes = 0;
    unsigned running = WRITERS;
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        cr_assert_gt(start_writer(writer, WRITES), 0);
    }
    while (running > 0) {
        int status = 0;
        cr_assert(read_filled(&was, &changes), "not whole");
        if (waitpid(-1, &status, WNOHANG) > 0) {
            cr_assert_eq(status, 0, "a write failed");
            running--;
        }
    }
    cr_assert(read_filled(&was, &changes));
    cr_assert_eq(was & 0xffff, (unsigned)WRITES, "somebody's last write is not the last");
    cr_assert_gt(changes, 1U, "nothing was seen to be replaced");
}

static _Atomic unsigned successes;
static _Atomic unsigned writers_left = WRITERS;

/* The last one of the crew reads while the others write. */
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
    crew_run(WRITERS + 1, write_or_read);
    cr_assert_gt(successes, 0U);
    cr_assert(read_filled(&was, &changes));
    cr_assert_eq(changes, 1U);
}

static volatile sig_atomic_t writing;
static volatile sig_atomic_t dropped; /* writes of the handler while somebody was at it */
static volatile sig_atomic_t broken;

static void write_in_a_handler(int signal_number)
{
    struct profile profile;
    unsigned was = 0;
    unsigned changes = 0;
    int kept = errno;
    (void)signal_number;
    fill(&profile, 1, 1);
    errno = UNUSUAL;
    dropped += !profile_write(path, &profile) && writing;
    broken = broken || errno != UNUSUAL || !read_filled(&was, &changes);
    errno = kept;
}

/* Until the handler has met a write half done, and then some. */
Test(profile_writers, a_handler_drops_what_it_interrupts)
{
    static const struct itimerval often = {{0, 300}, {0, 300}};
    static const struct sigaction action = {.sa_handler = write_in_a_handler};
    struct profile profile;
    unsigned done = 0;
    fill(&profile, 2, 2);
    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    while (dropped < 20) {
        unsigned was = 0;
        unsigned changes = 0;
        writing = 1;
        done += profile_write(path, &profile);
        writing = 0;
        cr_assert(read_filled(&was, &changes), "not whole");
    }
    cr_assert_eq(setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 0}}, NULL), 0);
    cr_assert_not(broken);
    cr_assert_gt(done, 0U);
    cr_assert(profile_write(path, &profile));
}

/* Killed wherever it may be, a writer leaves a whole profile, and at most one file beside it. */
Test(profile_writers, may_be_killed_at_any_moment)
{
    char name[PLACE_PATH_SIZE + 32];
    uint64_t state = 1;
    for (unsigned i = 0; i < KILLS; i++) {
        unsigned was = 0;
        unsigned changes = 0;
        unsigned wanted = 2 + (unsigned)(crew_random(&state) % 20);
        pid_t child = start_writer(i % WRITERS, 0xffff);
        cr_assert_gt(child, 0);
        while (changes < wanted) {
            cr_assert(read_filled(&was, &changes), "not whole");
        }
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, NULL, 0), child);
        cr_assert(read_filled(&was, &changes), "not whole");
        snprintf(name, sizeof name, "%s.%d.new", path, (int)child);
        unlink(name);
    }
}
