/* Tests of statistics/dump.c: each report is written once and as a whole, and to the right file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/option.h"
#include "statistics/dump.h"
#include "statistics/format.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/environment.h"
#include "support/house.h"
#include "support/place.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */ };

Test(dump, goes_to_a_descriptor)
{
    static char text[FORMAT_TEXT_SIZE];
    int ends[2];
    place_open();
    cr_assert_eq(pipe(ends), 0);
    errno = UNUSUAL;
    cr_assert(dump_to(ends[1]));
    cr_assert_eq(errno, UNUSUAL);
    close(ends[1]);
    cr_assert_gt(read(ends[0], text, sizeof text - 1), 0);
    place_expect_reports(text, 1);
    errno = UNUSUAL;
    cr_assert_not(dump_to(ends[1]), "the descriptor has no reader");
    cr_assert_eq(errno, UNUSUAL);
    place_close();
}

Test(dump, goes_to_stderr_by_default)
{
    place_open();
    for (int i = 0; i < 2; i++) {
        capture_begin();
        bool done = dump_somewhere();
        const char *words = capture_end();
        cr_assert(done);
        place_expect_reports(words, 1);
    }
    place_close();
}

Test(dump, makes_a_private_file_and_appends_to_it)
{
    static char text[4 * FORMAT_TEXT_SIZE];
    struct stat status;
    place_open();
    place_set_stats(place_path("stats"));
    umask(0);
    cr_assert(dump_somewhere());
    cr_assert(dump_somewhere());
    errno = UNUSUAL;
    cr_assert(dump_somewhere());
    cr_assert_eq(errno, UNUSUAL);
    place_read(option_path(&options, OPTION_STATS), text, sizeof text);
    place_expect_reports(text, 3);
    cr_assert_eq(stat(option_path(&options, OPTION_STATS), &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    place_close();
}

Test(dump, percent_p_is_the_process)
{
    static char text[2 * FORMAT_TEXT_SIZE];
    char name[64];
    place_open();
    snprintf(name, sizeof name, "a.%d.%d", (int)getpid(), (int)getpid());
    place_set_stats(place_path("a.%p.%p"));
    cr_assert(dump_somewhere());
    place_read(place_path(name), text, sizeof text);
    place_expect_reports(text, 1);
    unlink(place_path(name));
    /* A % in the path is an ordinary character, unless p follows it. */
    place_set_stats(place_path("%q.%"));
    cr_assert(dump_somewhere());
    place_read(place_path("%q.%"), text, sizeof text);
    place_expect_reports(text, 1);
    place_close();
}

static const char *default_file(void)
{
    static char path[PLACE_PATH_SIZE];
    snprintf(path, sizeof path, "/tmp/sockmalloc.%d", (int)getpid());
    return path;
}

static void expect_default_file(unsigned reports)
{
    static char text[4 * FORMAT_TEXT_SIZE];
    const char *path = default_file();
    place_read(path, text, sizeof text);
    unlink(path);
    place_expect_reports(text, reports);
}

Test(dump, avoids_a_closed_stderr)
{
    place_open();
    unlink(default_file()); /* removes a file that an earlier process with this process id may have left */
    int kept = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    bool first = dump_somewhere();
    bool second = dump_somewhere();
    dup2(kept, STDERR_FILENO);
    cr_assert(first && second);
    expect_default_file(2);
    place_close();
}

/* A daemon has closed its standard descriptors. Descriptor 2 may then be its database, so the report must not be
 * written there. */
Test(dump, avoids_a_file_in_the_place_of_stderr)
{
    char text[64];
    place_open();
    place_write(place_path("other"), "precious");
    unlink(default_file());
    int kept = dup(STDERR_FILENO);
    int database = open(place_path("other"), O_WRONLY | O_APPEND);
    dup2(database, STDERR_FILENO);
    bool done = dump_somewhere();
    dup2(kept, STDERR_FILENO);
    cr_assert(done);
    place_read(place_path("other"), text, sizeof text);
    cr_assert_str_eq(text, "precious");
    expect_default_file(1);
    place_close();
}

Test(dump, says_that_the_pools_are_off)
{
    environment_read(&options, NULL);
    dump_open(&house_plan);
    capture_begin();
    bool done = dump_somewhere();
    const char *words = capture_end();
    cr_assert(done);
    cr_assert_not_null(strstr(words, "the pools are off"));
}

static int full_pipe[2];
static _Atomic bool drained;

/* Runs as a thread: writes reports again and again to a pipe that is full and that nobody reads. The library gives up
 * each of them after some time. */
static void *dump_into_the_full_pipe(void *argument)
{
    while (!dump_to(full_pipe[1]) && !drained) {
    }
    return argument;
}

static void dump_in_a_child(void *argument)
{
    (void)argument;
    int file = open("/dev/null", O_WRONLY);
    bool held = !dump_to(file);
    dump_after_fork();
    CHECK(dump_to(file));
    CHECK(write(STDERR_FILENO, held ? "held" : "free", 4) == 4);
}

/* While one thread writes a report, a report of another thread is dropped. In the child of a fork, which does not have
 * the writing thread, reports can be written. */
Test(dump, one_at_a_time, .timeout = 120)
{
    static char bytes[1 << 16];
    static struct capture capture;
    pthread_t thread;
    place_open();
    cr_assert_eq(pipe2(full_pipe, O_NONBLOCK), 0);
    while (write(full_pipe[1], bytes, sizeof bytes) > 0) {
    }
    cr_assert_eq(pthread_create(&thread, NULL, dump_into_the_full_pipe, NULL), 0);
    int file = open("/dev/null", O_WRONLY);
    /* repeats until this report is dropped, because the other thread is writing a report at that moment */
    while (dump_to(file)) {
        sched_yield();
    }
    do {
        capture_run(&capture, dump_in_a_child, NULL);
        cr_assert(capture_is_clean(&capture), "%s", capture.words);
    } while (strcmp(capture.words, "held") != 0);
    drained = true;
    while (read(full_pipe[0], bytes, sizeof bytes) > 0) {
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert(dump_to(file));
    place_close();
}
