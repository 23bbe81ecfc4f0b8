/* Tests of statistics/dump_place.c: in which directories the library tries to write a report, and in which order,
 * according to the environment variables JOURNAL_STREAM and RUNTIME_DIRECTORY, which systemd sets. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/message.h"
#include "config/setting.h"
#include "statistics/dump_place.h"
#include "support/environment.h"

static char journal[64]; /* what JOURNAL_STREAM is if stderr is the journal */
static char near[66];    /* the value `journal` with another inode number */

static void note_stderr(void)
{
    struct stat status;
    message_open();
    fstat(STDERR_FILENO, &status);
    snprintf(journal, sizeof journal, "%lu:%lu", (unsigned long)status.st_dev, (unsigned long)status.st_ino);
    snprintf(near, sizeof near, "%s1", journal);
}

#define UNITS "/run/sockmalloc/sockmalloc.%p"
#define TMP   "/tmp/sockmalloc.%p"

static const struct {
    const char *journal, *runtime;
    bool prefers_stderr;
    const char *template[3];
} rows[] = {
    {NULL, NULL, true, {TMP}},
    {journal, NULL, true, {UNITS, TMP}},
    {near, NULL, true, {UNITS, TMP}},
    {"", NULL, true, {UNITS, TMP}},
    {NULL, "/run/web", false, {"/run/web/sockmalloc.%p", TMP}},
    {journal, "/run/web", true, {"/run/web/sockmalloc.%p", UNITS, TMP}},
    {near, "/run/web", false, {"/run/web/sockmalloc.%p", UNITS, TMP}},
    {NULL, "/run/a:/run/b", false, {"/run/a/sockmalloc.%p", TMP}},
    {NULL, "/run/a:/run/sockmalloc/web:/run/c", false, {"/run/sockmalloc/web/sockmalloc.%p", TMP}},
    {NULL, "/run/a:/run/sockmalloc", false, {"/run/sockmalloc/sockmalloc.%p", TMP}},
    {NULL, "/run/a:/run/sockmallocs", false, {"/run/a/sockmalloc.%p", TMP}},
    {NULL, "run/a::/run/b", false, {"/run/b/sockmalloc.%p", TMP}},
    {NULL, "x/sockmalloc:/run/b", false, {"/run/b/sockmalloc.%p", TMP}},
    {NULL, "sockmalloc:x/sockmalloc", true, {TMP}},
    {NULL, "", true, {TMP}},
};

static void expect_row(unsigned row)
{
    for (unsigned attempt = 0; attempt <= 3; attempt++) {
        const char *wanted = attempt < 3 ? rows[row].template[attempt] : NULL;
        const char *got = dump_place_template(attempt);
        cr_expect((wanted == NULL) == (got == NULL) && (got == NULL || strcmp(wanted, got) == 0),
                  "row %u, attempt %u: %s", row, attempt, got != NULL ? got : "none");
    }
    cr_expect_eq(dump_place_prefers_stderr(), rows[row].prefers_stderr, "row %u", row);
}

Test(dump_place, follows_the_variables_of_systemd)
{
    note_stderr();
    for (unsigned row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        environment_clear();
        environment_set("JOURNAL_STREAM", rows[row].journal);
        environment_set("RUNTIME_DIRECTORY", rows[row].runtime);
        dump_place_open(environment_lookup);
        expect_row(row);
    }
}

Test(dump_place, passes_over_a_folder_that_is_too_long)
{
    static char list[2 * SETTING_PATH_SIZE];
    list[0] = '/';
    memset(list + 1, 'a', SETTING_PATH_SIZE - 1);
    strcpy(list + SETTING_PATH_SIZE, ":/run/b");
    message_open();
    environment_clear();
    environment_set("RUNTIME_DIRECTORY", list);
    dump_place_open(environment_lookup);
    cr_assert_str_eq(dump_place_template(0), "/run/b/sockmalloc.%p");
    strcpy(list + SETTING_PATH_SIZE - 1, ":/run/b");
    dump_place_open(environment_lookup);
    cr_assert_eq(strlen(dump_place_template(0)), SETTING_PATH_SIZE - 1 + strlen("/sockmalloc.%p"));
}

Test(dump_place, stderr_that_was_closed_is_no_journal)
{
    note_stderr();
    int kept = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    message_open();
    dup2(kept, STDERR_FILENO);
    environment_clear();
    environment_set("JOURNAL_STREAM", "0:0");
    environment_set("RUNTIME_DIRECTORY", "/run/web");
    dump_place_open(environment_lookup);
    cr_assert(!dump_place_prefers_stderr());
}
