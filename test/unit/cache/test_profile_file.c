/* Tests of cache/profile.c: which files are read as profiles, and which files a write replaces. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cache/profile.h"
#include "config/setting.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/place.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */, NOBODY = 65534 };

static const struct profile old = {.count = 1, .row = {{8192, 5}}};
static const struct profile new = {.count = 2, .row = {{4096, 12}, {16384, 62}}};
static char path[PLACE_PATH_SIZE];
/* the temporary file that this process writes and then renames to the profile */
static char new_path[PLACE_PATH_SIZE + 32];

static void profile_place_open(void)
{
    place_open();
    strcpy(path, place_path("profile"));
    snprintf(new_path, sizeof new_path, "%s.%d.new", path, (int)getpid());
}

/* Removes the profile and its directory. Fails the test if there is another file in the directory, because a write must
 * leave none. */
static void profile_place_close(void)
{
    unlink(path);
    place_close();
}

TestSuite(profile_file, .init = profile_place_open, .fini = profile_place_close);

/* Returns NULL if the file `name` has a profile with as many rows as `wanted` and the same first quota, or else a text
 * that says what differs. Any thread or child process may call this function. */
static const char *difference(const char *name, const struct profile *wanted)
{
    struct profile found;
    const char *fault = profile_read(name, &found);
    if (fault != NULL) {
        return fault[0] != '\0' ? fault : "there is none";
    }
    return found.count == wanted->count && found.row[0].quota == wanted->row[0].quota ? NULL : "another";
}

static void expect_profile(const struct profile *wanted)
{
    const char *fault = difference(path, wanted);
    cr_assert_null(fault, "%s", fault);
}

static void expect_read_fault(const char *name, const char *wanted)
{
    struct profile profile = {.count = 3};
    errno = UNUSUAL;
    const char *fault = profile_read(name, &profile);
    cr_assert_not_null(fault, "%s was accepted; expected the error: %s", name, wanted);
    cr_assert_str_eq(fault, wanted);
    cr_assert_eq(errno, UNUSUAL);
    cr_assert_eq(profile.count, 0U);
}

static void expect_not_written(const char *name)
{
    errno = UNUSUAL;
    cr_assert_not(profile_write(name, &new), "%s", name);
    cr_assert_eq(errno, UNUSUAL);
}

Test(profile_file, no_profile_yet)
{
    expect_read_fault(path, "");
    expect_read_fault(place_path("none/profile"), "");
    expect_not_written(place_path("none/profile"));
    errno = UNUSUAL;
    cr_assert(profile_write(path, &new));
    expect_profile(&new);
    cr_assert_eq(errno, UNUSUAL);
}

Test(profile_file, follows_no_link)
{
    struct stat status;
    const char *link = place_path("link");
    cr_assert(profile_write(path, &old));
    cr_assert_eq(symlink(path, link), 0);
    expect_read_fault(link, "a symbolic link");
    expect_not_written(link);
    cr_assert_eq(lstat(link, &status), 0);
    cr_assert(S_ISLNK(status.st_mode));
    expect_profile(&old);
    unlink(path);
    expect_read_fault(link, "a symbolic link");
    expect_not_written(link);
    cr_assert_neq(access(path, F_OK), 0, "no file is made through a link");
}

/* Opening a FIFO must not wait for a process at its other end, so the file is opened with O_NONBLOCK. */
Test(profile_file, refuses_other_kinds_of_files, .timeout = 120)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat before;
    struct stat after;
    strcpy(address.sun_path, place_path("other"));
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(mkfifo(place_path("fifo"), 0600), 0);
    cr_assert_eq(mkdir(place_path("stats"), 0700), 0);
    const char *const names[] = {place_path("other"), place_path("fifo"), place_path("stats"), "/dev/null"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_assert_eq(lstat(names[i], &before), 0);
        expect_read_fault(names[i], "not a regular file");
        expect_not_written(names[i]);
        cr_assert_eq(lstat(names[i], &after), 0);
        cr_assert_eq(before.st_ino, after.st_ino, "%s was replaced", names[i]);
    }
    cr_assert_eq(rmdir(place_path("stats")), 0);
    place_write(place_path("stats"), "");
    expect_read_fault(place_path("stats/profile"), "it can't be opened");
    expect_not_written(place_path("stats/profile"));
}

Test(profile_file, refuses_files_that_others_can_write)
{
    static const mode_t bad[] = {0620, 0602, 0666, 0664};
    static const mode_t good[] = {0600, 0400, 0644, 0755};
    cr_assert(profile_write(path, &new));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(chmod(path, bad[i]), 0);
        expect_read_fault(path, "others may write to it");
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert_eq(chmod(path, good[i]), 0);
        expect_profile(&new);
    }
}

/* Runs in a child process as a user who may read files of the directory, but may not make files there. */
static void work_as_nobody(void *argument)
{
    struct profile profile;
    (void)argument;
    CHECK(chmod(path, 0644) == 0);
    CHECK(chmod(place_directory(), 0555) == 0);
    CHECK(geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0);
    /* the profile can be read, although it belongs to another user if root runs the test */
    CHECK(difference(path, &old) == NULL);
    errno = UNUSUAL;
    CHECK(!profile_write(path, &new));
    CHECK(errno == UNUSUAL);
    CHECK(difference(path, &old) == NULL);
    CHECK(!profile_write(place_path("stats"), &new));
    CHECK(strcmp(profile_read(place_path("other"), &profile), "no permission") == 0);
}

Test(profile_file, changes_nothing_in_a_read_only_directory)
{
    struct capture capture;
    cr_assert(profile_write(path, &old));
    cr_assert(profile_write(place_path("other"), &old));
    cr_assert_eq(chmod(place_path("other"), 0), 0);
    capture_run(&capture, work_as_nobody, NULL);
    cr_assert_eq(chmod(place_directory(), 0700), 0);
    cr_assert(capture_is_clean(&capture), "%s", capture.words);
    expect_profile(&old);
}

Test(profile_file, refuses_files_of_other_users)
{
    if (geteuid() != 0) {
        cr_skip_test("only root can give a file away");
    }
    cr_assert(profile_write(path, &new));
    cr_assert_eq(chown(path, NOBODY, NOBODY), 0);
    expect_read_fault(path, "another user's file");
}

/* If a user names another file than the profile by mistake, a write must not replace that file. A file that begins like
 * a profile is replaced, even if it is cut short or of another version. */
Test(profile_file, replaces_only_profiles)
{
    static const char *const precious[] = {"precious", "s ", "sockmalloc profil!", "Sockmalloc",
                                           "\nsockmalloc profile 1\n"};
    static const char *const profiles[] = {"", "s", "sockmalloc profile", "sockmalloc profile 9\n",
                                           "sockmalloc profile 1\nbucket 4096 quo\n"};
    char text[64];
    for (size_t i = 0; i < sizeof precious / sizeof precious[0]; i++) {
        place_write(path, precious[i]);
        expect_not_written(path);
        place_read(path, text, sizeof text);
        cr_assert_str_eq(text, precious[i]);
    }
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        place_write(path, profiles[i]);
        cr_assert(profile_write(path, &new), "%s", profiles[i]);
        expect_profile(&new);
    }
}

/*
 * Stores in `name` a path that leads to the profile and has `length` bytes: the directory, many slashes, and "profile".
 */
static void lengthen(char *name, size_t length)
{
    memset(name, '/', length);
    memcpy(name, place_directory(), strlen(place_directory()));
    strcpy(name + length - strlen("profile"), "profile");
}

/* A path that is too long is refused. It must not be shortened, because another file could have the shortened name. */
Test(profile_file, never_cuts_a_name)
{
    char name[2 * SETTING_PATH_SIZE];
    lengthen(name, SETTING_PATH_SIZE - 1);
    cr_assert(profile_write(name, &new), "the longest path that the setting allows is accepted");
    expect_profile(&new);
    unlink(path);
    for (size_t length = SETTING_PATH_SIZE + 16; length < sizeof name; length++) {
        lengthen(name, length);
        expect_not_written(name);
        cr_assert_neq(access(path, F_OK), 0);
    }
    /* the whole path is short enough, but its last component is longer than a file's name may be */
    snprintf(name, sizeof name, "%s/%0250d", place_directory(), 1);
    expect_not_written(name);
}

Test(profile_file, leaves_no_descriptor_open)
{
    int before = dup(0);
    close(before);
    cr_assert(profile_write(path, &new));
    expect_profile(&new);
    expect_read_fault("/dev/null", "not a regular file");
    expect_read_fault("/proc/self/mem", "it can't be read");
    expect_not_written("/dev/null");
    expect_not_written("/proc/self/mem");
    place_write(new_path, "left");
    cr_assert(profile_write(path, &new));
    cr_assert_eq(chmod(path, 0666), 0);
    expect_read_fault(path, "others may write to it");
    int after = dup(0);
    close(after);
    cr_assert_eq(after, before);
}
