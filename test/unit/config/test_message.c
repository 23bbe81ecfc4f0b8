/* Tests of config/message.c: each message is one whole line, and is written only to the file that was stderr at start.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/message.h"
#include "support/capture.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */ };

Test(message, is_one_line_with_name_and_process)
{
    char expected[256];
    capture_begin();
    errno = UNUSUAL;
    message_say(MESSAGE_BAD_VALUE, "SOCKMALLOC_MIN", "x", "a size", "4096");
    cr_expect_eq(errno, UNUSUAL);
    const char *words = capture_end();
    snprintf(expected, sizeof expected, "sockmalloc: %s[%d]: SOCKMALLOC_MIN=x: not a size; using 4096\n",
             program_invocation_short_name, (int)getpid());
    cr_assert_str_eq(words, expected);
}

/* The library keeps the text of its last messages in memory, for a debugger. New text overwrites the oldest text. */
Test(message, last_ones_are_kept)
{
    struct message_kept *kept = message_kept_span().start;
    cr_assert_eq(message_kept_span().size, sizeof *kept);
    capture_begin();
    for (unsigned i = 0; i < 100; i++) {
        message_say(MESSAGE_TOO_LONG, "a file", i);
    }
    const char *words = capture_end();
    size_t size = strlen(words);
    cr_assert_gt(size, sizeof kept->text);
    cr_assert_eq(atomic_load(&kept->end), size);
    for (size_t at = size - sizeof kept->text; at < size; at++) {
        cr_assert_eq(kept->text[at % sizeof kept->text], words[at], "byte %zu", at);
    }
}

Test(message, process_name_is_the_programs)
{
    message_open();
    cr_assert_str_eq(message_process_name(), program_invocation_short_name);
}

Test(message, long_name_is_cut)
{
    static char name[] = "a-name-that-has-more-than-thirty-one-characters";
    program_invocation_short_name = name;
    message_open();
    cr_assert_eq(strlen(message_process_name()), 31);
    cr_assert_eq(strncmp(message_process_name(), name, 31), 0);
}

Test(message, name_stays_what_it_was_at_init)
{
    static char former[] = "former";
    static char latter[] = "latter";
    program_invocation_short_name = former;
    message_open();
    program_invocation_short_name = latter;
    cr_assert_str_eq(message_process_name(), "former");
}

/* The value of a setting may be ten kilobytes long. A message with such a value must overflow no buffer, and must still
 * end with a newline. */
Test(message, long_line_is_cut_and_still_ends)
{
    static char value[10000];
    memset(value, 'v', sizeof value - 1);
    capture_begin();
    message_say(MESSAGE_BAD_VALUE, "SOCKMALLOC_MIN", value, "a size", "4096");
    const char *words = capture_end();
    size_t length = strlen(words);
    cr_assert(length > 1000 && length <= 2048, "%zu bytes", length);
    cr_assert_eq(strchr(words, '\n'), words + length - 1);
    cr_assert_not_null(strstr(words, "SOCKMALLOC_MIN=vvvv"));
}

/* The name of a program and the value of a setting come from the environment of the process. They must neither
 * change a terminal nor begin a line, so a question mark is printed for each control character. */
Test(message, control_characters_are_not_printed)
{
    static char name[] = "a\nb\x1b[31m";
    program_invocation_short_name = name;
    message_open();
    capture_begin();
    message_say(MESSAGE_BAD_VALUE, "SOCKMALLOC_MIN", "1\n2\t3\x7f\x1b]0;\a\xc3\xa4", "a size", "4096");
    const char *words = capture_end();
    cr_expect_not_null(strstr(words, "sockmalloc: a?b?[31m["), "%s", words);
    cr_expect_not_null(strstr(words, "SOCKMALLOC_MIN=1?2?3??]0;?\xc3\xa4: not a size"), "%s", words);
    cr_expect_eq(strchr(words, '\n'), words + strlen(words) - 1);
}

Test(message, goes_nowhere_when_stderr_was_replaced)
{
    int kept = dup(STDERR_FILENO);
    int own = memfd_create("stderr", MFD_CLOEXEC);
    int other = memfd_create("database", MFD_CLOEXEC);
    cr_assert_eq(dup2(own, STDERR_FILENO), STDERR_FILENO);
    message_open();
    cr_assert(message_stderr_is_ours());
    cr_assert_eq(dup2(other, STDERR_FILENO), STDERR_FILENO);
    errno = UNUSUAL;
    bool replaced = message_stderr_is_ours();
    message_say(MESSAGE_NO_RESERVATION);
    cr_expect_eq(errno, UNUSUAL);
    close(STDERR_FILENO);
    bool closed = message_stderr_is_ours();
    message_say(MESSAGE_NO_RESERVATION);
    cr_expect_eq(errno, UNUSUAL);
    dup2(own, STDERR_FILENO);
    bool back = message_stderr_is_ours();
    dup2(kept, STDERR_FILENO);
    cr_assert_not(replaced, "another file on the same device must not count as stderr");
    cr_assert_not(closed);
    cr_assert(back);
    cr_assert_eq(lseek(other, 0, SEEK_END), 0, "the program's file was written to");
}

/* A server may replace descriptor 2 by a duplicate of it (dup2), which is open on the same file. Messages are then
 * still written to descriptor 2. */
Test(message, goes_to_a_duplicate_of_stderr)
{
    capture_begin();
    int duplicate = dup(STDERR_FILENO);
    cr_assert_eq(dup2(duplicate, STDERR_FILENO), STDERR_FILENO);
    message_say(MESSAGE_NO_RESERVATION);
    cr_assert_not_null(strstr(capture_end(), "no addresses"));
}

Test(message, stderr_closed_at_init_is_never_used)
{
    int kept = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    message_open();
    bool closed = message_stderr_is_ours();
    int file = memfd_create("database", 0);
    bool reused = message_stderr_is_ours();
    dup2(kept, STDERR_FILENO);
    cr_assert_eq(file, STDERR_FILENO);
    cr_assert_not(closed);
    cr_assert_not(reused);
}

static void die(void *argument)
{
    (void)argument;
    message_die(MESSAGE_NEVER_ISSUED, "free", (void *)0x1000, "16k", 3U);
}

Test(message, dying_says_the_line_and_aborts)
{
    capture_abort(die, NULL, "free(0x1000): bucket 16k, slot 3: never issued: the metadata says never used\n");
}

Test(message, dying_aborts_without_stderr, .signal = SIGABRT)
{
    message_open();
    close(STDERR_FILENO);
    message_die(MESSAGE_NEVER_ISSUED, "free", (void *)0x1000, "16k", 3U);
}

Test(message, formats_fit_their_words)
{
    capture_begin();
    message_say(MESSAGE_UNKNOWN_SETTING, "SOCKMALLOC_MIX");
    message_say(MESSAGE_MISTYPED_SETTING, "SOCKMALLOC_MIX", "SOCKMALLOC_MIN");
    message_say(MESSAGE_MISTYPED_ITEM, "SOCKMALLOC_CONF", "mix", "SOCKMALLOC_MIN");
    message_say(MESSAGE_REMOVED_SETTING, "SOCKMALLOC_OLD", "another");
    message_say(MESSAGE_REMOVED_WORD, "SOCKMALLOC_THP", "old", "another");
    message_say(MESSAGE_CONTRADICTION, "A", "2", "B", "1");
    message_say(MESSAGE_STRICT);
    message_say(MESSAGE_NO_RESERVATION);
    message_say(MESSAGE_CONFIGURATION, "A=1 B=2");
    message_say(MESSAGE_FREED_ALREADY, "free", (void *)0x2000, "4k", 7U, "purged", 4096U);
    message_say(MESSAGE_INTERIOR, "realloc", (void *)0x2008, "4k", 7U, (size_t)8, "live");
    message_say(MESSAGE_STRAY, "free", (void *)0x3000);
    message_say(MESSAGE_NO_HANDLER);
    const char *words = capture_end();
    static const char *const wanted[] = {
        "SOCKMALLOC_MIX: no such setting; ignored\n",
        "SOCKMALLOC_MIX: no such setting; ignored; did you mean SOCKMALLOC_MIN?\n",
        "SOCKMALLOC_CONF: mix: no such setting; ignored; did you mean SOCKMALLOC_MIN?\n",
        "SOCKMALLOC_OLD: this setting was removed and has no effect; use another\n",
        "SOCKMALLOC_THP=old: this value was removed; use another\n",
        "A=2 contradicts B=1; using the default of both\n",
        "SOCKMALLOC_STRICT=1: refusing to run with the setting above\n",
        "no addresses for the pools; every request falls through to mimalloc\n",
        "A=1 B=2\n",
        "free(0x2000): bucket 4k, slot 7: freed already: the metadata says purged, last request 4096 "
        "bytes\n",
        "realloc(0x2008): bucket 4k, slot 7: interior address, 8 bytes into the slot: the metadata "
        "says live\n",
        "free(0x3000): a stray address: no allocator has returned it\n",
        "operator new: out of memory, and no C++ library that could throw std::bad_alloc\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        cr_expect_not_null(strstr(words, wanted[i]), "'%s' is not in: %s", wanted[i], words);
    }
}
