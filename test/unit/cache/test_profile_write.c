/* Tests of writing a profile: it is written as a whole or not at all, even if the disk is full or an earlier process
 * has left its temporary file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/profile.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/place.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */ };

static const struct profile old = {.count = 1, .row = {{8192, 5}}};
static const struct profile new = {.count = 2, .row = {{4096, 12}, {16384, 62}}};
static char path[PLACE_PATH_SIZE];
/* the temporary file that this process writes and then renames to the profile */
static char name[PLACE_PATH_SIZE + 32];

static void profile_place_open(void)
{
    place_open();
    strcpy(path, place_path("profile"));
    snprintf(name, sizeof name, "%s.%d.new", path, (int)getpid());
}

/* Removes the profile and its directory. Fails the test if there is another file in the directory, because a write must
 * leave none. */
static void profile_place_close(void)
{
    unlink(path);
    place_close();
}

TestSuite(profile_write, .init = profile_place_open, .fini = profile_place_close);

/* Returns NULL if the file has a profile with as many rows as `wanted` and the same first quota, or else a text that
 * says what differs. Any thread or child process may call this function. */
static const char *difference(const struct profile *wanted)
{
    struct profile found;
    const char *fault = profile_read(path, &found);
    if (fault != NULL) {
        return fault[0] != '\0' ? fault : "there is none";
    }
    return found.count == wanted->count && found.row[0].quota == wanted->row[0].quota ? NULL : "another";
}

static void expect_profile(const struct profile *wanted)
{
    const char *fault = difference(wanted);
    cr_assert_null(fault, "%s", fault);
}

/* A write makes a new file, which only its user may read and write. So a process that has opened the profile before
 * still reads the old text. */
Test(profile_write, replaces_the_file_and_writes_into_none)
{
    char text[256];
    struct stat status;
    umask(0);
    cr_assert(profile_write(path, &old));
    int file = open(path, O_RDONLY);
    cr_assert(profile_write(path, &new));
    expect_profile(&new);
    ssize_t length = read(file, text, sizeof text - 1);
    cr_assert_gt(length, 0);
    text[length] = '\0';
    cr_assert_not_null(strstr(text, "\nbucket 8192 quota 5\nchecksum "), "%s", text);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
}

/*
 * Writes the profile with each limit on the size of a file (RLIMIT_FSIZE) from 0 up to the profile's size. The profile
 * must be written as a whole or not at all. If a write goes beyond the limit, the kernel sends the signal SIGXFSZ,
 * which must not reach the program.
 */
static void work_with_little_room(void *argument)
{
    static const struct profile changed = {.count = 1, .row = {{8192, 6}}};
    struct stat status;
    (void)argument;
    CHECK(stat(path, &status) == 0);
    for (rlim_t room = 0; room < (rlim_t)status.st_size; room++) {
        CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){room, RLIM_INFINITY}) == 0);
        CHECK(!profile_write(path, &changed));
        CHECK(difference(&old) == NULL);
    }
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)status.st_size, RLIM_INFINITY}) == 0);
    CHECK(profile_write(path, &changed));
    CHECK(difference(&changed) == NULL);
}

Test(profile_write, writes_all_or_nothing)
{
    cr_assert(profile_write(path, &old));
    capture_clean(work_with_little_room, NULL);
}

static const char no_mounts[] = "this user may not mount a small filesystem to fill it";

/* Runs in a child process: mounts a filesystem of two pages on the test's directory, and fills it. A write must then
 * fail and leave the old profile unchanged. When there is space again, a write must succeed. */
static void work_on_a_full_disk(void *argument)
{
    static char bytes[4096];
    char options[32];
    (void)argument;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        CHECK(write(STDERR_FILENO, no_mounts, sizeof no_mounts) == sizeof no_mounts);
        return;
    }
    snprintf(options, sizeof options, "size=%ld", 2 * sysconf(_SC_PAGESIZE));
    CHECK(mount("none", place_directory(), "tmpfs", 0, options) == 0);
    CHECK(profile_write(path, &old));
    int file = open(place_path("other"), O_WRONLY | O_CREAT, 0600);
    while (write(file, bytes, sizeof bytes) > 0) {
    }
    errno = UNUSUAL;
    CHECK(!profile_write(path, &new));
    CHECK(errno == UNUSUAL);
    CHECK(difference(&old) == NULL);
    CHECK(unlink(place_path("other")) == 0 && close(file) == 0);
    CHECK(profile_write(path, &new));
    CHECK(difference(&new) == NULL);
    CHECK(unlink(path) == 0 && rmdir(place_directory()) != 0 && errno == EBUSY);
}

Test(profile_write, survives_a_full_disk)
{
    struct capture capture;
    capture_run(&capture, work_on_a_full_disk, NULL);
    if (strcmp(capture.words, no_mounts) == 0) {
        cr_skip_test("%s", no_mounts);
    }
    cr_assert(capture_is_clean(&capture), "%s", capture.words);
}

/* A process was killed and has left its temporary file. This process has the same process id, as often happens in
 * containers, and replaces that file. */
Test(profile_write, replaces_a_leftover_file)
{
    place_write(name, "half of a prof");
    cr_assert(profile_write(path, &new));
    expect_profile(&new);
    cr_assert_neq(access(name, F_OK), 0);
    /*
     * The library never makes a link or a directory. So a link or directory with the name of the temporary file is not
     * the library's: it must stay there, and the profile is not written.
     */
    cr_assert_eq(symlink(path, name), 0);
    cr_assert_not(profile_write(path, &old));
    cr_assert_eq(unlink(name), 0);
    cr_assert_eq(mkdir(name, 0700), 0);
    cr_assert_not(profile_write(path, &old));
    cr_assert_eq(rmdir(name), 0);
    expect_profile(&new);
}

/*
 * The temporary file may be in use: by another thread, by the code that a signal handler has interrupted, or by a
 * process with the same process id in another container. The writer that uses it holds a lock on it, so other writers
 * leave it alone.
 */
Test(profile_write, leaves_the_file_of_another_writer)
{
    char text[64];
    cr_assert(profile_write(path, &old));
    place_write(name, "half of a prof");
    int file = open(name, O_RDONLY);
    cr_assert_eq(flock(file, LOCK_EX | LOCK_NB), 0);
    errno = UNUSUAL;
    cr_assert_not(profile_write(path, &new));
    cr_assert_eq(errno, UNUSUAL);
    place_read(name, text, sizeof text);
    cr_assert_str_eq(text, "half of a prof");
    expect_profile(&old);
    close(file);
    cr_assert(profile_write(path, &new));
    expect_profile(&new);
}
