/* Makes a directory for a test's reports of statistics, and checks the reports that the library writes there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/place.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/message.h"
#include "config/option.h"
#include "statistics/dump.h"
#include "statistics/dump_place.h"
#include "support/environment.h"
#include "support/house.h"

static char directory[] = "/tmp/sockmalloc-unit-XXXXXX";

void place_open(void)
{
    house_lay_default();
    environment_read(&options, NULL);
    message_open();
    dump_place_open(environment_lookup);
    dump_open(&house_plan);
    cr_assert_not_null(mkdtemp(directory));
}

const char *place_directory(void)
{
    return directory;
}

const char *place_path(const char *name)
{
    static char path[4][PLACE_PATH_SIZE];
    static unsigned next;
    char *chosen = path[next++ % 4];
    snprintf(chosen, PLACE_PATH_SIZE, "%s/%s", directory, name);
    return chosen;
}

void place_close(void)
{
    static const char *const names[] = {"stats", "other", "link", "fifo", "%q.%"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(place_path(names[i]));
    }
    cr_assert_eq(rmdir(directory), 0, "a file is left in %s", directory);
}

void place_set_stats(const char *path)
{
    /* option_set_path now stores the path at the start of the buffer for paths. No other path is lost, because tests
     * with this file set no other setting that is a path. */
    options.path_end = 1;
    option_set_path(&options, OPTION_STATS, path);
}

void place_read(const char *path, char *buffer, size_t size)
{
    int file = open(path, O_RDONLY | O_NONBLOCK);
    cr_assert(file >= 0, "%s: %s", path, strerror(errno));
    ssize_t length = read(file, buffer, size - 1);
    close(file);
    buffer[length > 0 ? length : 0] = '\0';
}

static unsigned count(const char *text, const char *word)
{
    unsigned found = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) {
        found++;
    }
    return found;
}

void place_expect_reports(const char *text, unsigned reports)
{
    char end[64];
    snprintf(end, sizeof end, "end of statistics of process %d\n", (int)getpid());
    cr_assert_eq(strncmp(text, "sockmalloc ", 11), 0, "%s", text);
    cr_assert_eq(count(text, "\nbucket "), reports, "%s", text);
    cr_assert_eq(count(text, end), reports, "%s", text);
    cr_assert_str_eq(text + strlen(text) - strlen(end), end);
}

void place_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}
