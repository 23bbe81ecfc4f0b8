/* Checks of conditions, and the table of cases that a test program consists of. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_CHECK_H
#define SOCKMALLOC_TEST_CHECK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A case of a test program: the runner starts the program with the case's name as its argument, in a process of its
 * own. */
struct check_case {
    const char *name;
    void (*run)(void);
    struct check_case *next;
};

/* Defines a case; its body follows. A case that checks nothing fails. */
#define CASE(function)                                                                                                 \
    static void function(void);                                                                                        \
    __attribute__((constructor)) static void function##_is_listed(void)                                                \
    {                                                                                                                  \
        static struct check_case row = {#function, function, NULL};                                                    \
        check_list_case(&row);                                                                                         \
    }                                                                                                                  \
    static void function(void)

/*
 * Appends a case to the list from which main runs one. CASE defines a constructor that calls this function before main.
 */
void check_list_case(struct check_case *row);

/* The arguments that follow the name of the case on the command line. */
extern char **check_arguments;

/* CHECK ends the process with status 1 unless the condition holds, and CHECK_EQUAL unless the two integers are equal.
 * Both then print a line on the stderr that the process had when it started. They may be used in a signal handler. */
#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, wanted)                                                                                    \
    check_equal((uint64_t)(actual), (uint64_t)(wanted), #actual, #wanted, __FILE__, __LINE__)
void check_that(bool holds, const char *condition, const char *file, int line);
void check_equal(uint64_t actual, uint64_t wanted, const char *actual_text, const char *wanted_text, const char *file,
                 int line);

/* Returns `address` by a way that the compiler cannot follow. So the compiler cannot know that the block at this
 * address comes from malloc or that it was freed, and does not optimize or warn because of that. */
static inline void *check_hide(void *address)
{
    __asm__ volatile("" : "+r"(address));
    return address;
}

/* Returns `size` by a way that the compiler cannot follow, so that the compiler does not warn that no block can be so
 * large. */
static inline size_t check_hide_size(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

/* Returns the address of the function that the program would call by this name. Fails the case if there is none. */
void *check_find(const char *name);

/* Waits until the child process ends, and fails the case unless the child's exit status is 0. */
void check_wait(pid_t child);

/* Forks. In the child, returns true; the child has to end by _exit. In the parent, waits for the child as check_wait
 * does, and then returns false. */
bool check_is_child(void);

/* check_start starts `count` threads that all run `run` with the same argument. check_join waits until they have ended.
 * check_in_thread starts one thread and waits until it has ended. */
void check_start(pthread_t *threads, unsigned count, void *(*run)(void *), void *argument);
void check_join(const pthread_t *threads, unsigned count);
void check_in_thread(void *(*run)(void *), void *argument);

#ifdef __cplusplus
}
#endif

#endif
