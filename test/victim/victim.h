/*
 * Functions that all victims share: the programs of this folder, each of which misuses malloc's interface in one way.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_VICTIM_H
#define SOCKMALLOC_TEST_VICTIM_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The exit status of a victim that could not make its misuse, because something before failed. The runner counts it as
 * a failure in every row. */
enum { VICTIM_UNFIT = 99 };

static inline void victim_require(bool condition, const char *what)
{
    if (!condition) {
        char line[256];
        int length = snprintf(line, sizeof line, "unfit: %s\n", what);
        if (write(STDOUT_FILENO, line, (size_t)length) != length) {
            _exit(VICTIM_UNFIT);
        }
        _exit(VICTIM_UNFIT);
    }
}

/*
 * Prints the process id, the address that the library's message must name, and a second address, unless that is NULL.
 * Does not use stdio, because stdio would allocate a buffer, which would get the slot whose number the runner expects
 * in the message.
 */
static inline void victim_announce_two(const void *address, const void *second)
{
    char line[64];
    char more[24] = "";
    if (second != NULL) {
        snprintf(more, sizeof more, " %p", second);
    }
    int length = snprintf(line, sizeof line, "%d %p%s\n", (int)getpid(), address, more);
    victim_require(write(STDOUT_FILENO, line, (size_t)length) == length, "stdout");
}

static inline void victim_announce(const void *address)
{
    victim_announce_two(address, NULL);
}

static inline const char *victim_word(int argc, char **argv, int index)
{
    victim_require(index < argc, "an argument is missing");
    return argv[index];
}

static inline size_t victim_number(int argc, char **argv, int index)
{
    char *end;
    const char *word = victim_word(argc, argv, index);
    size_t number = strtoul(word, &end, 0);
    victim_require(end != word && *end == '\0', "an argument is no number");
    return number;
}

/* Returns the address, in a way that hides from the compiler where the address comes from, and that the block was
 * freed. */
static inline void *victim_hide(void *address)
{
    __asm__ volatile("" : "+r"(address));
    return address;
}

static inline char *victim_take(size_t size)
{
    char *address = (char *)victim_hide(malloc(size));
    victim_require(address != NULL, "malloc");
    return address;
}

/* Returns the function with this name from the loaded libraries. It is searched by name because libc's headers do not
 * declare all of these functions. */
static inline void *victim_find(const char *name)
{
    void *call = dlsym(RTLD_DEFAULT, name);
    victim_require(call != NULL, name);
    return call;
}

/* Frees a block by the function `name`, which is any of the names of free. A function that takes a size gets `size`. */
static inline void victim_free_by(const char *name, void *address, size_t size)
{
    if (strcmp(name, "free_sized") == 0) {
        void (*call)(void *, size_t);
        *(void **)&call = victim_find(name);
        call(address, size);
    } else if (strcmp(name, "free_aligned_sized") == 0) {
        void (*call)(void *, size_t, size_t);
        *(void **)&call = victim_find(name);
        call(address, 64, size);
    } else {
        void (*call)(void *);
        *(void **)&call = victim_find(name);
        call(address);
    }
}

/* Resizes a block by the function `name`, which is any of the names of realloc. The result is ignored, because the
 * library ends the victim in this call. */
static inline void victim_resize_by(const char *name, void *address, size_t size)
{
    if (strcmp(name, "reallocarr") == 0) {
        int (*call)(void *, size_t, size_t);
        *(void **)&call = victim_find(name);
        call(&address, 1, size);
    } else if (strcmp(name, "reallocarray") == 0) {
        void *(*call)(void *, size_t, size_t);
        *(void **)&call = victim_find(name);
        call(address, 1, size);
    } else {
        void *(*call)(void *, size_t);
        *(void **)&call = victim_find(name);
        call(address, size);
    }
}

#endif
