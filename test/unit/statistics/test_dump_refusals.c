/* Tests of statistics/dump.c: if somebody else has put a link, a FIFO or a file at the report's path, the report is not
 * written to it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "config/option.h"
#include "statistics/dump.h"
#include "support/place.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */ };

static void expect_refused(const char *path)
{
    place_set_stats(path);
    errno = UNUSUAL;
    cr_assert_not(dump_somewhere(), "%s", path);
    cr_assert_eq(errno, UNUSUAL);
}

Test(dump_refusals, follows_no_link)
{
    char text[64];
    place_open();
    place_write(place_path("other"), "precious");
    cr_assert_eq(symlink(place_path("other"), place_path("link")), 0);
    expect_refused(place_path("link"));
    place_read(place_path("other"), text, sizeof text);
    cr_assert_str_eq(text, "precious");
    unlink(place_path("other"));
    expect_refused(place_path("link"));
    cr_assert_neq(access(place_path("other"), F_OK), 0, "no file is made through a link");
    place_close();
}

Test(dump_refusals, refuses_a_file_with_two_names)
{
    char text[64];
    place_open();
    place_write(place_path("other"), "precious");
    cr_assert_eq(link(place_path("other"), place_path("link")), 0);
    expect_refused(place_path("link"));
    place_read(place_path("other"), text, sizeof text);
    cr_assert_str_eq(text, "precious");
    unlink(place_path("other"));
    place_set_stats(place_path("link"));
    cr_assert(dump_somewhere(), "a file with a single name is accepted");
    place_close();
}

/* A FIFO is refused. Without a reader, opening the FIFO could wait for ever. With a reader, the report could go to the
 * stranger who has made the FIFO. */
Test(dump_refusals, refuses_a_fifo, .timeout = 120)
{
    char text[64];
    place_open();
    cr_assert_eq(mkfifo(place_path("fifo"), 0600), 0);
    expect_refused(place_path("fifo"));
    int reader = open(place_path("fifo"), O_RDONLY | O_NONBLOCK);
    cr_assert(reader >= 0);
    expect_refused(place_path("fifo"));
    cr_assert_eq(read(reader, text, sizeof text), 0, "something was written");
    place_close();
}

Test(dump_refusals, refuses_directories_and_devices)
{
    place_open();
    expect_refused(place_directory());
    expect_refused(place_path("none/stats"));
    expect_refused("/dev/null");
    place_close();
}

/* The test needs a file that belongs to another user. If root runs the test, it makes such a file. Otherwise it uses
 * /etc/passwd, which belongs to root. */
Test(dump_refusals, refuses_a_file_of_another_owner)
{
    struct stat status;
    const char *path = "/etc/passwd";
    place_open();
    if (geteuid() == 0) {
        path = place_path("other");
        place_write(path, "precious");
        cr_assert_eq(chown(path, 65534, 65534), 0);
    }
    cr_assert_eq(stat(path, &status), 0);
    off_t size = status.st_size;
    expect_refused(path);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_size, size);
    place_close();
}

Test(dump_refusals, leaves_no_descriptor_open)
{
    place_open();
    int before = dup(0);
    close(before);
    place_set_stats(place_path("stats"));
    cr_assert(dump_somewhere());
    expect_refused(place_directory());
    expect_refused("/dev/null");
    int after = dup(0);
    close(after);
    cr_assert_eq(after, before);
    place_close();
}

/* Makes `depth` directories with the name `name`, one inside the other, and changes to the innermost. */
static void go_down(const char *name, unsigned depth)
{
    cr_assert_eq(chdir(place_directory()), 0);
    for (unsigned i = 0; i < depth; i++) {
        cr_assert_eq(mkdir(name, 0700), 0);
        cr_assert_eq(chdir(name), 0);
    }
}

/* Changes to the next higher directory `depth` times, and removes each directory that it has left. This fails if a file
 * lies in one. */
static void go_up(const char *name, unsigned depth)
{
    for (unsigned i = depth; i > 0; i--) {
        cr_assert_eq(chdir(".."), 0);
        cr_assert_eq(rmdir(name), 0, "a file was made in %s at depth %u", name, i);
    }
}

/* If replacing %p by the process id makes the path too long, the report is refused, and not written to the shortened
 * path, because that could be the name of another file. */
Test(dump_refusals, refuses_a_path_that_grows_too_long)
{
    enum { DEPTH = 150 };
    char name[16];
    place_open();
    snprintf(name, sizeof name, "%d", (int)getpid());
    go_down(name, DEPTH);
    /* repeats with paths of different lengths, so that a shortened path would end at a different place each time */
    for (unsigned slashes = 1; slashes <= 8; slashes++) {
        char template[SETTING_PATH_SIZE];
        struct text text = text_begin(template, sizeof template);
        text_add(&text, "%s", place_directory());
        for (unsigned i = 1; i < slashes; i++) {
            text_add(&text, "/");
        }
        for (unsigned i = 0; i < DEPTH; i++) {
            text_add(&text, "/%%p");
        }
        text_add(&text, "/x");
        cr_assert_not(text.cut);
        expect_refused(template);
    }
    go_up(name, DEPTH);
    place_close();
}
