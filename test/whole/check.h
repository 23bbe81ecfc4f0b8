/* Assertions, and the table of cases that a test program is made of. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CHECK_H
#define SOCKMALLOC_TEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One case: a run of the program with its name as the argument, in a process of its own. */
struct check_case {
    const char *name;
    void (*run)(void);
};

/* A row of the table: the case is called what its function is called. */
#define CHECK_CASE(function)                                                                                           \
    {                                                                                                                  \
#function, function                                                                                            \
    }

/*
 * main's whole work. `--list` prints the names of the cases; a name runs that case, which fails too
 * if it asserts nothing. What follows the name are the case's own arguments, check_arguments.
 */
int check_main(int argc, char **argv, const struct check_case *cases, size_t count);
#define CHECK_MAIN(cases)                                                                                              \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        return check_main(argc, argv, (cases), sizeof(cases) / sizeof(cases)[0]);                                      \
    }

extern char **check_arguments;

/* Ends the process with status 1 and a line on stderr, as it was at start, unless all is as it
 * should be. */
#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, wanted)                                                                                    \
    check_equal((uint64_t)(actual), (uint64_t)(wanted), #actual, #wanted, __FILE__, __LINE__)
void check_that(bool holds, const char *condition, const char *file, int line);
void check_equal(uint64_t actual, uint64_t wanted, const char *actual_text, const char *wanted_text, const char *file,
                 int line);

/* The same address, of which the compiler no longer knows where it came from or that it was freed.
 */
static inline void *check_hide(void *address)
{
    __asm__ volatile("" : "+r"(address));
    return address;
}

/* A size that the compiler does not know to be impossible. */
static inline size_t check_hide_size(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

/* The function of that name that the program's own calls would reach; the check fails if there is
 * none. */
void *check_find(const char *name);

/* Waits for a child that must end by exit(0). */
void check_wait(pid_t child);

#ifdef __cplusplus
}
#endif

#endif
