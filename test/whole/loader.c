/* Cases: plug-ins, and the library itself, loaded and unloaded while threads allocate. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "plugin.h"
#include "pools.h"

enum { THREADS = 4, ROUNDS = 1000 };

static atomic_bool done;
static _Atomic unsigned busy;

/* The malloc that threads churn: the program's own, or that of a library loaded later. */
static plugin_take_call *take = malloc;
static plugin_give_call *give = free;

static void *churn(void *unused)
{
    bool counted = false;
    for (size_t size = 100; !atomic_load(&done); size = size * 3 % 200000 + 100) {
        char *block = take(size);
        CHECK(block != NULL);
        block[0] = block[size - 1] = 1;
        give(block);
        busy += counted ? 0 : 1;
        counted = true;
    }
    return unused;
}

/* Loads and unloads `path`, whose first argument it is, while threads churn. */
static void reload(const char *path, int flags)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, churn, NULL), 0);
    }
    while (atomic_load(&busy) < THREADS) {
    }
    for (int i = 0; i < ROUNDS; i++) {
        void *handle = dlopen(path, flags);
        CHECK(handle != NULL);
        CHECK_EQUAL(dlclose(handle), 0);
    }
    atomic_store(&done, true);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    }
}

static void plugin_comes_and_goes(void)
{
    reload(check_arguments[0], RTLD_NOW);
    pools_check_ledger();
}

static void library_comes_and_goes(void)
{
    reload(check_arguments[0], RTLD_LAZY);
    CHECK(pools_are_active());
    pools_check_ledger();
}

/* In a process without it: the threads go on in code that dlclose must not unmap. */
static void library_is_loaded_late_and_stays(void)
{
    void *handle = dlopen(check_arguments[0], RTLD_NOW);
    CHECK(handle != NULL);
    *(void **)&take = dlsym(handle, "malloc");
    *(void **)&give = dlsym(handle, "free");
    CHECK(take != NULL && take != malloc && give != NULL);
    CHECK_EQUAL(dlclose(handle), 0);
    reload(check_arguments[0], RTLD_NOW);
    pid_t child = fork(); /* through handlers of a library that nobody holds */
    if (child == 0) {
        give(take(20000));
        _exit(0);
    }
    check_wait(child);
}

/* Bytes that the C library's own malloc has issued: mallinfo2 by that name is ours. */
static size_t libc_in_use(void)
{
    struct mallinfo2 (*info)(void) = NULL;
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    CHECK(libc != NULL);
    *(void **)&info = dlsym(libc, "mallinfo2");
    CHECK(info != NULL && (void *)info != dlsym(RTLD_DEFAULT, "mallinfo2"));
    size_t bytes = info().uordblks;
    CHECK_EQUAL(dlclose(libc), 0);
    return bytes;
}

/*
 * With RTLD_DEEPBIND the plug-in finds the C library's malloc before ours. It may take and give
 * what is its own, and hand to the program what it took from the C library's heap.
 */
static void deeply_bound_plugin_serves_itself(void)
{
    void *handle = dlopen(check_arguments[0], RTLD_NOW | RTLD_DEEPBIND);
    CHECK(handle != NULL);
    plugin_take_call *its_take = NULL;
    plugin_give_call *its_give = NULL;
    *(void **)&its_take = dlsym(handle, "plugin_take");
    *(void **)&its_give = dlsym(handle, "plugin_give");
    for (size_t size = 100; size < (size_t)1 << 20; size *= 3) {
        char *block = its_take(size);
        CHECK(block != NULL && !pools_own(block));
        memset(block, 1, size);
        its_give(block);
    }
    size_t before = libc_in_use();
    char *handed_over = its_take(5000);
    CHECK(handed_over != NULL && !pools_own(handed_over));
    CHECK(libc_in_use() >= before + 5000);
    free(handed_over);
    CHECK_EQUAL(libc_in_use(), before);
    CHECK_EQUAL(dlclose(handle), 0);
    pools_check_ledger();
}

/* Whoever is first among the libraries: what strdup takes, free knows. */
static void copies_of_strings(void)
{
    enum { LONG = 20000 };
    static char text[LONG];
    memset(text, 'x', LONG - 1);
    for (int i = 0; i < ROUNDS; i++) {
        char *copy = check_hide(strdup(text));
        char *part = check_hide(strndup(text, (size_t)i));
        CHECK(strlen(copy) == LONG - 1 && strlen(part) == (size_t)i);
        free(copy);
        free(part);
    }
    CHECK_EQUAL(pools_figure("requests"), 0);
}

static const struct check_case cases[] = {
    CHECK_CASE(plugin_comes_and_goes),
    CHECK_CASE(library_comes_and_goes),
    CHECK_CASE(library_is_loaded_late_and_stays),
    CHECK_CASE(deeply_bound_plugin_serves_itself),
    CHECK_CASE(copies_of_strings),
};

CHECK_MAIN(cases)
