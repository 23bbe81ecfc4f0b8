/* Cases that load and unload plug-ins, and the library itself, by dlopen and dlclose while threads allocate, and cases
 * with two preloaded allocators. */
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

/*
 * The malloc that the threads call: at first the program's own, later perhaps that of a library that a case has loaded.
 */
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

/* Loads and unloads the object `path` again and again while threads allocate. */
static void reload(const char *path, int flags)
{
    pthread_t threads[THREADS];
    check_start(threads, THREADS, churn, NULL);
    while (atomic_load(&busy) < THREADS) {
    }
    for (int i = 0; i < ROUNDS; i++) {
        void *handle = dlopen(path, flags);
        CHECK(handle != NULL);
        CHECK_EQUAL(dlclose(handle), 0);
    }
    atomic_store(&done, true);
    check_join(threads, THREADS);
}

CASE(plugin_comes_and_goes)
{
    reload(check_arguments[0], RTLD_NOW);
    pools_check_ledger();
}

CASE(library_comes_and_goes)
{
    reload(check_arguments[0], RTLD_LAZY);
    CHECK(pools_are_active());
    pools_check_ledger();
}

/* A process that was started without the library loads the library by dlopen. dlclose must leave the library mapped,
 * because threads may be running its code. */
CASE(library_is_loaded_late_and_stays)
{
    void *handle = dlopen(check_arguments[0], RTLD_NOW);
    CHECK(handle != NULL);
    *(void **)&take = dlsym(handle, "malloc");
    *(void **)&give = dlsym(handle, "free");
    CHECK(take != NULL && take != malloc && give != NULL);
    CHECK_EQUAL(dlclose(handle), 0);
    reload(check_arguments[0], RTLD_NOW);
    /* fork calls the fork handlers of the library, so the library must still be mapped although dlclose was called for
     * it */
    pid_t child = fork();
    if (child == 0) {
        give(take(20000));
        _exit(0);
    }
    check_wait(child);
}

/* Returns how many bytes the C library's own malloc has allocated and not yet freed. mallinfo2 is looked up in libc
 * itself, because the plain name leads to our library. */
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

/* the functions of a plug-in that dlopen has loaded */
struct plugin {
    void *handle;
    plugin_take_call *take;
    plugin_give_call *give;
};

static struct plugin plugin_of(void *handle)
{
    struct plugin plugin = {.handle = handle};
    CHECK(handle != NULL);
    *(void **)&plugin.take = dlsym(handle, "plugin_take");
    *(void **)&plugin.give = dlsym(handle, "plugin_give");
    CHECK(plugin.take != NULL && plugin.give != NULL);
    return plugin;
}

/* All sizes that the cases use are below SIZE_END bytes. They reach from small blocks, which mimalloc serves, to blocks
 * that are too large for the pools, which serve at most 4 MiB in these tests. */
enum { SIZE_END = 16 << 20 };

static void check_plugin_serves_itself(const struct plugin *plugin)
{
    for (size_t size = 16; size < SIZE_END; size *= 3) {
        char *block = plugin->take(size);
        CHECK(block != NULL && !pools_own(block));
        memset(block, 1, size);
        plugin->give(block);
    }
}

/* Checks that a plug-in loaded with RTLD_DEEPBIND uses the C library's malloc and free, because SOCKMALLOC_DEEPBIND
 * leaves this flag in force. If the plug-in passes a block of the C library's malloc to the program, the program can
 * free it: our free passes it on to the C library. */
static void check_is_bound_to_libc(void *handle)
{
    struct plugin plugin = plugin_of(handle);
    check_plugin_serves_itself(&plugin);
    size_t before = libc_in_use();
    char *handed_over = plugin.take(5000);
    CHECK(handed_over != NULL && !pools_own(handed_over));
    CHECK(libc_in_use() >= before + 5000);
    free(handed_over);
    CHECK_EQUAL(libc_in_use(), before);
    CHECK_EQUAL(dlclose(handle), 0);
    pools_check_ledger();
}

CASE(deeply_bound_plugin_serves_itself)
{
    check_is_bound_to_libc(dlopen(check_arguments[0], RTLD_NOW | RTLD_DEEPBIND));
    check_is_bound_to_libc(dlmopen(LM_ID_BASE, check_arguments[0], RTLD_NOW | RTLD_DEEPBIND));
}

/* Checks that the plug-in uses our malloc and free, for blocks of every size. The plug-in must be able to free a block
 * of the program, and the program must be able to resize and free a block of the plug-in. */
static void check_shares_blocks(void *handle)
{
    struct plugin plugin = plugin_of(handle);
    for (size_t size = 16; size < SIZE_END; size *= 3) {
        char *ours = malloc(size);
        char *its = plugin.take(size);
        CHECK(ours != NULL && its != NULL);
        CHECK_EQUAL(pools_own(its), pools_own(ours));
        memset(ours, 1, size);
        memset(its, 2, size);
        plugin.give(ours);
        its = realloc(its, size + 1);
        CHECK(its != NULL && its[0] == 2 && its[size - 1] == 2);
        free(its);
    }
    CHECK_EQUAL(dlclose(handle), 0);
    pools_check_ledger();
}

CASE(deeply_bound_plugin_shares_blocks)
{
    check_shares_blocks(dlopen(check_arguments[0], RTLD_NOW | RTLD_DEEPBIND));
    check_shares_blocks(dlopen(check_arguments[0], RTLD_LAZY | RTLD_DEEPBIND | RTLD_GLOBAL));
    check_shares_blocks(dlmopen(LM_ID_BASE, check_arguments[0], RTLD_NOW | RTLD_DEEPBIND));
}

/* dlmopen loads a plug-in into a new namespace, with RTLD_DEEPBIND or without. The namespace has its own C library and
 * not our library. */
CASE(plugin_in_a_namespace_of_its_own)
{
    static const int flags[] = {RTLD_NOW, RTLD_NOW | RTLD_DEEPBIND};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        struct plugin plugin = plugin_of(dlmopen(LM_ID_NEWLM, check_arguments[0], flags[i]));
        check_plugin_serves_itself(&plugin);
        Lmid_t space = LM_ID_BASE;
        CHECK_EQUAL(dlinfo(plugin.handle, RTLD_DI_LMID, &space), 0);
        CHECK(space != LM_ID_BASE);
        void *again = dlmopen(space, check_arguments[0], flags[i]);
        CHECK(again == plugin.handle);
        CHECK_EQUAL(dlclose(again), 0);
        CHECK_EQUAL(dlclose(plugin.handle), 0);
    }
    free(check_hide(malloc(20000)));
    pools_check_ledger();
}

/* A second copy of our library is loaded into a namespace of its own, and must have pools of its own. */
CASE(library_in_another_namespace)
{
    void *handle = dlmopen(LM_ID_NEWLM, check_arguments[0], RTLD_NOW);
    CHECK(handle != NULL);
    plugin_take_call *its_take = NULL;
    plugin_give_call *its_give = NULL;
    bool (*its_owns)(const void *address) = NULL;
    *(void **)&its_take = dlsym(handle, "malloc");
    *(void **)&its_give = dlsym(handle, "free");
    *(void **)&its_owns = dlsym(handle, "sockmalloc_owns");
    CHECK(its_take != NULL && its_take != malloc && its_give != NULL && its_owns != NULL);
    for (size_t size = 16; size < SIZE_END; size *= 3) {
        char *its = its_take(size);
        char *ours = malloc(size);
        CHECK(its != NULL && ours != NULL);
        memset(its, 1, size);
        memset(ours, 2, size);
        CHECK_EQUAL(its_owns(its), pools_own(ours));
        CHECK(!pools_own(its) && !its_owns(ours));
        CHECK(its[0] == 1 && its[size - 1] == 1);
        its_give(its);
        free(ours);
    }
    pools_check_ledger();
    CHECK_EQUAL(dlclose(handle), 0);
    free(check_hide(malloc(20000)));
}

/*
 * If a file name has no slash, dlopen searches the DT_RUNPATH of the object that called dlopen, and replaces $ORIGIN
 * there by that object's folder. The case loads the object in argument 0. This object's DT_RUNPATH leads to the object
 * in argument 1, but the program's does not. So the library's dlopen must find the object in argument 1 for this
 * object, and not for the program.
 */
CASE(caller_finds_what_it_names)
{
    typedef void *open_call(const char *file, int flags);
    static const char *const names[] = {"caller_open", "caller_open_in_base"};
    static const int flags[] = {RTLD_NOW, RTLD_NOW | RTLD_DEEPBIND};
    void *caller = dlopen(check_arguments[0], RTLD_NOW);
    CHECK(caller != NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        open_call *open_by_caller = NULL;
        *(void **)&open_by_caller = dlsym(caller, names[i]);
        CHECK(open_by_caller != NULL);
        for (size_t j = 0; j < sizeof flags / sizeof flags[0]; j++) {
            CHECK(dlopen(check_arguments[1], flags[j]) == NULL);
            CHECK(dlmopen(LM_ID_BASE, check_arguments[1], flags[j]) == NULL);
            void *found = open_by_caller(check_arguments[1], flags[j]);
            CHECK(found != NULL);
            CHECK_EQUAL(dlclose(found), 0);
        }
    }
    CHECK(dlopen(check_arguments[1], RTLD_NOW) == NULL);
    CHECK(strstr(dlerror(), check_arguments[1]) != NULL);
    CHECK_EQUAL(dlclose(caller), 0);
}

/* Two allocators are preloaded, in either order. In both orders free must recognize the blocks that strdup and strndup
 * return. */
CASE(copies_of_strings)
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

enum { GROWN = 3, SIZES = 6 };
static const size_t sizes[SIZES] = {1, 100, 5000, 20001, 300000, 7000000};

static char *take_filled(size_t size)
{
    char *block = malloc(size);
    CHECK(block != NULL);
    return memset(block, 'x', size);
}

static char *check_kept(char *block, size_t size)
{
    CHECK(block != NULL);
    CHECK(block[0] == 'x' && memcmp(block, block + 1, size - 1) == 0);
    return block;
}

/*
 * Two allocators are preloaded in either order. If the first allocator does not export a function such as reallocarray,
 * the program calls the second allocator's function of this name. This function must recognize blocks of the first
 * allocator.
 */
CASE(relatives_of_realloc_and_free)
{
    void *(*array)(void *, size_t, size_t);
    void *(*array_of_libc)(void *, size_t, size_t);
    void *(*or_free)(void *, size_t);
    int (*stored)(void *, size_t, size_t);
    void (*give_sized)(void *, size_t);
    void (*give_aligned)(void *, size_t, size_t);
    void (*plain[2])(void *);
    *(void **)&array = check_find("reallocarray");
    *(void **)&array_of_libc = check_find("__libc_reallocarray");
    *(void **)&or_free = check_find("reallocf");
    *(void **)&stored = check_find("reallocarr");
    *(void **)&give_sized = check_find("free_sized");
    *(void **)&give_aligned = check_find("free_aligned_sized");
    *(void **)&plain[0] = check_find("cfree");
    *(void **)&plain[1] = check_find("vfree");
    for (int i = 0; i < SIZES; i++) {
        char *block = check_kept(array(take_filled(sizes[i]), GROWN, sizes[i]), sizes[i]);
        block = check_kept(array_of_libc(block, 2, sizes[i] * GROWN), sizes[i]);
        block = check_kept(or_free(block, sizes[i] * 2), sizes[i]);
        CHECK_EQUAL(stored(&block, GROWN, sizes[i]), 0);
        free(check_kept(block, sizes[i]));
        CHECK(or_free(take_filled(sizes[i]), check_hide_size(PTRDIFF_MAX)) == NULL);
        give_sized(take_filled(sizes[i]), sizes[i]);
        give_aligned(take_filled(sizes[i]), 1, sizes[i]);
        plain[i % 2](take_filled(sizes[i]));
    }
    CHECK_EQUAL(pools_figure("requests"), 0);
}
