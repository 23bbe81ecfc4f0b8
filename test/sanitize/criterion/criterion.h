/* Declares as much of Criterion's interface as the unit tests use, for builds with a sanitizer. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SANITIZE_CRITERION_H
#define SANITIZE_CRITERION_H

/*
 * Criterion itself cannot be used, because it keeps its tests at a fixed address, which lies in memory that
 * ThreadSanitizer reserves for itself. As with Criterion, each test runs in a process of its own, and the process that
 * forks it has only one thread.
 */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct criterion_options {
    void (*init)(void);
    void (*fini)(void);
    double timeout; /* the time limit in seconds; 0 for the default */
    int signal;     /* the signal that must end the test; 0 if none must */
};

/* One test, if `body` is not NULL. Otherwise the structure holds the options of all tests of the suite. */
struct criterion_test {
    const char *suite;
    const char *name;
    void (*body)(void);
    struct criterion_options options;
    struct criterion_test *next;
};

void criterion_add(struct criterion_test *test);

/* Ends the test if `holds` is false. Any thread may call this function. */
void criterion_expect(bool holds, const char *file, int line, const char *what, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void criterion_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define CRITERION_ADD(unique, ...)                                                                                     \
    __attribute__((constructor)) static void unique##_add(void)                                                        \
    {                                                                                                                  \
        static struct criterion_test test = {__VA_ARGS__};                                                             \
        criterion_add(&test);                                                                                          \
    }
#define Test(suite_, name_, ...)                                                                                       \
    static void suite_##_##name_(void);                                                                                \
    CRITERION_ADD(suite_##_##name_, .suite = #suite_, .name = #name_, .body = suite_##_##name_,                        \
                  .options = {__VA_ARGS__})                                                                            \
    static void suite_##_##name_(void)
#define TestSuite(suite_, ...) CRITERION_ADD(suite_##_suite, .suite = #suite_, .options = {__VA_ARGS__})

/* Ends the test if the condition is false. A message may follow the condition: a format, which must be a literal, and
 * its arguments. */
#define CRITERION_EXPECT(condition, ...) criterion_expect((condition), __FILE__, __LINE__, #condition, " " __VA_ARGS__)

#define cr_assert(condition, ...)               CRITERION_EXPECT(condition, __VA_ARGS__)
#define cr_assert_not(condition, ...)           CRITERION_EXPECT(!(condition), __VA_ARGS__)
#define cr_assert_fail(...)                     CRITERION_EXPECT(false, __VA_ARGS__)
#define cr_assert_eq(one, other, ...)           CRITERION_EXPECT((one) == (other), __VA_ARGS__)
#define cr_assert_neq(one, other, ...)          CRITERION_EXPECT((one) != (other), __VA_ARGS__)
#define cr_assert_lt(one, other, ...)           CRITERION_EXPECT((one) < (other), __VA_ARGS__)
#define cr_assert_leq(one, other, ...)          CRITERION_EXPECT((one) <= (other), __VA_ARGS__)
#define cr_assert_gt(one, other, ...)           CRITERION_EXPECT((one) > (other), __VA_ARGS__)
#define cr_assert_geq(one, other, ...)          CRITERION_EXPECT((one) >= (other), __VA_ARGS__)
#define cr_assert_null(pointer, ...)            CRITERION_EXPECT((pointer) == NULL, __VA_ARGS__)
#define cr_assert_not_null(pointer, ...)        CRITERION_EXPECT((pointer) != NULL, __VA_ARGS__)
#define cr_assert_str_eq(one, other, ...)       CRITERION_EXPECT(strcmp((one), (other)) == 0, __VA_ARGS__)
#define cr_assert_str_empty(text, ...)          CRITERION_EXPECT((text)[0] == '\0', __VA_ARGS__)
#define cr_assert_str_not_empty(text, ...)      CRITERION_EXPECT((text)[0] != '\0', __VA_ARGS__)
#define cr_assert_arr_eq(one, other, size, ...) CRITERION_EXPECT(memcmp((one), (other), (size)) == 0, __VA_ARGS__)

#define cr_expect           cr_assert
#define cr_expect_not       cr_assert_not
#define cr_expect_eq        cr_assert_eq
#define cr_expect_neq       cr_assert_neq
#define cr_expect_gt        cr_assert_gt
#define cr_expect_null      cr_assert_null
#define cr_expect_not_null  cr_assert_not_null
#define cr_expect_str_eq    cr_assert_str_eq
#define cr_expect_str_empty cr_assert_str_empty
#define cr_expect_arr_eq    cr_assert_arr_eq
#define cr_skip             criterion_skip
#define cr_skip_test        criterion_skip

#endif
