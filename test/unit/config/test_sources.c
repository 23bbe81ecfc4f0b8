/* Tests of config/sources.c: settings from SOCKMALLOC_CONF, from a file and from the environment, and which of them is
 * in force. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/sources.h"
#include "support/capture.h"

/* The environment of the test has at most two variables. */
static const char *conf;    /* the value of SOCKMALLOC_CONF, or NULL if it is not set */
static const char *minimum; /* the value of SOCKMALLOC_MIN, or NULL if it is not set */

static char *look_up(const char *name)
{
    return (char *)(strcmp(name, OPTION_CONF) == 0 ? conf : strcmp(name, "SOCKMALLOC_MIN") == 0 ? minimum : NULL);
}

/* Calls sources_open with a settings file of this content, and returns the messages that it printed. */
static const char *open_with(const char *file)
{
    char path[] = "/tmp/test_sources.XXXXXX";
    int descriptor = mkstemp(path);
    cr_assert(descriptor >= 0);
    cr_assert_eq(write(descriptor, file, strlen(file)), (ssize_t)strlen(file));
    close(descriptor);
    capture_begin();
    bool sound = sources_open(look_up, path);
    const char *words = capture_end();
    unlink(path);
    cr_expect_eq(sound, words[0] == '\0');
    cr_expect_eq(sources_open(look_up, path), sound, "the second call returns what the first call has returned");
    return words;
}

static void expect(const char *variable, const char *value)
{
    const char *found = sources_lookup(variable);
    if (value == NULL) {
        cr_expect_null(found, "%s=%s", variable, found);
        return;
    }
    cr_assert_not_null(found, "%s is not set", variable);
    cr_expect_str_eq(found, value);
}

Test(sources, nothing_is_set_before_they_are_opened)
{
    minimum = "8k";
    expect("SOCKMALLOC_MIN", NULL);
}

Test(sources, the_environment_comes_first_then_the_string_then_the_file)
{
    minimum = "8k";
    conf = "min=1k,max=1m";
    cr_expect_str_empty(open_with("min=2k\nmax=2m\npool=cpu\n"));
    expect("SOCKMALLOC_MIN", "8k");
    expect("SOCKMALLOC_MAX", "1m");
    expect("SOCKMALLOC_POOL", "cpu");
    expect("SOCKMALLOC_THP", NULL);
    expect("PATH", NULL);
}

Test(sources, place_of_each_value_is_known)
{
    static struct option_set set;
    minimum = "8k";
    conf = "min=4k,max=1m,pool=nonsense";
    cr_expect_str_empty(open_with("max=2m\nthp=always\n"));
    capture_begin();
    option_read(&set, sources_lookup, NULL);
    capture_end();
    sources_note(&set);
    cr_expect_str_eq(sources_name(&set, OPTION_MIN), "environment");
    cr_expect_str_eq(sources_name(&set, OPTION_MAX), OPTION_CONF);
    cr_expect_str_eq(sources_name(&set, OPTION_THP), SOURCES_FILE);
    cr_expect_str_eq(sources_name(&set, OPTION_POOL), "default", "its value was refused");
    cr_expect_str_eq(sources_name(&set, OPTION_DECAY_MS), "default");
    set.source[OPTION_MIN] = 99;
    cr_expect_str_eq(sources_name(&set, OPTION_MIN), "unknown");
}

Test(sources, values_that_contradict_each_other_give_way_to_defaults)
{
    static struct option_set set;
    static const enum option refused[] = {OPTION_MIN, OPTION_MAX, OPTION_IN_USE};
    minimum = "8m";
    conf = "max=1m";
    open_with("in-use=1\npool=cpu");
    capture_begin();
    option_read(&set, sources_lookup, NULL);
    capture_end();
    sources_note(&set);
    for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        cr_expect_str_eq(sources_name(&set, refused[i]), "default", "%s", option_variable(refused[i]));
    }
    cr_expect_str_eq(sources_name(&set, OPTION_POOL), SOURCES_FILE);
}

Test(sources, names_may_be_written_in_several_ways)
{
    conf = " decay-ms = 250 ,\tFORMAT=json,SOCKMALLOC_POOL=cpu,,stats=/tmp/a b,";
    cr_expect_str_empty(open_with("# a comment, min=1\n\nmax=1m # another\r\nSockmalloc_Large=90000"));
    expect("SOCKMALLOC_DECAY_MS", "250");
    expect("SOCKMALLOC_FORMAT", "json");
    expect("SOCKMALLOC_POOL", "cpu");
    expect("SOCKMALLOC_STATS", "/tmp/a b");
    expect("SOCKMALLOC_MAX", "1m");
    expect("SOCKMALLOC_LARGE", "90000");
    expect("SOCKMALLOC_MIN", NULL);
}

Test(sources, what_is_no_setting_is_said_and_ignored)
{
    conf = "poool=cpu,strict,min=2k";
    const char *words = open_with("conf=min=1k\nmax=1m\n");
    cr_expect_not_null(strstr(words, ": CONF: no such setting; ignored\n"), "%s", words);
    cr_expect_not_null(
        strstr(words, "SOCKMALLOC_CONF: POOOL: no such setting; ignored; did you mean SOCKMALLOC_POOL?\n"), "%s",
        words);
    cr_expect_not_null(strstr(words, "SOCKMALLOC_CONF: STRICT: no value; ignored\n"), "%s", words);
    expect("SOCKMALLOC_MIN", "2k");
    expect("SOCKMALLOC_MAX", "1m");
}

/* A source of settings is read into a buffer of fixed size. The text must be at least one byte shorter than this
 * buffer, because a NUL follows it. */
Test(sources, a_text_that_is_too_long_is_ignored)
{
    static char longest[SOURCES_SIZE];
    static char longer[SOURCES_SIZE + 1];
    memset(longest, ' ', sizeof longest - 1);
    memset(longer, ' ', sizeof longer - 1);
    memcpy(longest, "min=2k", 6);
    memcpy(longer, "max=1m", 6);
    conf = longest;
    const char *words = open_with(longer);
    cr_expect_not_null(strstr(words, ": more than 4095 bytes; ignored\n"), "%s", words);
    expect("SOCKMALLOC_MIN", "2k");
    expect("SOCKMALLOC_MAX", NULL);
}

Test(sources, a_missing_file_is_no_fault)
{
    cr_expect(sources_open(look_up, "/nowhere/sockmalloc.conf"));
    expect("SOCKMALLOC_MIN", NULL);
}
