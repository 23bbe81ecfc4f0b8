/* These cases check that calls by any name that the library exports reach the library, also calls that libc itself
 * makes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pools.h"

/* The arguments of this case are the names that the library exports, from a list in the source tree. Each name must
 * lead to this library. */
CASE(names_are_ours)
{
    for (char **name = check_arguments; *name != NULL; name++) {
        Dl_info info;
        CHECK(dladdr(check_find(*name), &info) != 0);
        const char *file = strrchr(info.dli_fname, '/');
        check_that(file != NULL && strcmp(file, "/libsockmalloc.so") == 0, *name, __FILE__, __LINE__);
    }
}

/* Some functions of libc allocate a block for their caller, who frees the block by free. All such blocks
 * in this case are large enough for the pools, so the pools must serve them. */
CASE(libc_calls_ours)
{
    static char text[20001];
    char *copy;
    char *line = NULL;
    size_t size = 0;
    memset(text, 'x', sizeof text - 1);

    copy = strdup(text);
    CHECK(pools_own(copy));
    free(copy);
    copy = strndup(text, 10000);
    CHECK(pools_own(copy));
    free(copy);
    CHECK_EQUAL(asprintf(&copy, "%s%s", text, text), 40000);
    CHECK(pools_own(copy));
    free(copy);

    FILE *stream = open_memstream(&copy, &size);
    CHECK(stream != NULL && fputs(text, stream) >= 0 && fclose(stream) == 0);
    CHECK(pools_own(copy));
    stream = fmemopen(copy, size, "r");
    size = 0;
    CHECK(stream != NULL && getline(&line, &size, stream) == 20000);
    CHECK(pools_own(line));
    CHECK(fclose(stream) == 0);
    free(line);
    free(copy);

    copy = getcwd(NULL, 20000);
    CHECK(pools_own(copy));
    free(copy);
    CHECK_EQUAL(pools_figure("16k.live"), 0);
}

/* Some versions of mimalloc export strdup and strndup. The library must define these two as well, because a program
 * would otherwise call mimalloc's, and the library would not serve the copies. */
CASE(string_copies)
{
    static char text[30000];
    static const size_t lengths[] = {0, 1, 15, 16, 4094, 4095, 4096, 20479, sizeof text - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memset(text, 'y', sizeof text);
        text[lengths[i]] = '\0';
        char *copy = strdup(text);
        CHECK(copy != NULL && strcmp(copy, text) == 0);
        free(copy);
        text[lengths[i]] = 'y'; /* no NUL ends the string here, so strndup must not read beyond its limit */
        copy = strndup(text, lengths[i]);
        CHECK(copy != NULL && strlen(copy) == lengths[i]);
        CHECK(memcmp(copy, text, lengths[i]) == 0);
        free(copy);
    }
    char *copy = strndup("short", check_hide_size(SIZE_MAX));
    CHECK(copy != NULL && strcmp(copy, "short") == 0);
    free(copy);
    CHECK_EQUAL(pools_figure("live"), 0);
}

/* stdio allocates a buffer of a page or more for each stream. The pools must serve this buffer, which in most programs
 * is one of the first blocks of such a size. */
CASE(stdio_buffer_is_pooled)
{
    uint64_t live = pools_figure("4k.live");
    FILE *stream = fopen("/proc/self/exe", "re");
    CHECK(stream != NULL && getc(stream) == 0x7f);
    CHECK(pools_figure("4k.live") > live);
    CHECK(fclose(stream) == 0);
    CHECK_EQUAL(pools_figure("4k.live"), live);
}
