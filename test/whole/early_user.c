/* These cases test blocks that another preloaded library has allocated before main. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "early.h"
#include "pools.h"

static void check_filled(const char *block, size_t size)
{
    CHECK(block[0] == EARLY_BYTE && memcmp(block, block + 1, size - 1) == 0);
}

/*
 * Prints which allocator served the early blocks, `pools` or `mimalloc`. The runner checks that this is the right one
 * for the order in which the libraries are preloaded. Blocks of either kind can be used and freed, and realloc moves a
 * block to the allocator that serves new blocks.
 */
CASE(blocks_from_before_main)
{
    struct early_blocks *blocks = check_find("early_blocks");
    bool pooled = pools_own(blocks->by_malloc);
    const char *whose = pooled ? "pools\n" : "mimalloc\n";
    CHECK_EQUAL(write(STDOUT_FILENO, whose, strlen(whose)), strlen(whose));
    CHECK(pools_are_active());
    CHECK_EQUAL(pools_figure("live"), pooled ? 5 : 0);

    char *const all[] = {blocks->by_malloc, blocks->by_calloc, blocks->by_realloc, blocks->by_posix_memalign,
                         blocks->until_the_end};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        CHECK_EQUAL(pools_own(all[i]), pooled);
        CHECK(malloc_usable_size(all[i]) >= EARLY_SIZE);
        check_filled(all[i], EARLY_SIZE);
    }
    free(blocks->by_malloc);
    free(blocks->by_posix_memalign);
    char *grown = realloc(blocks->by_calloc, 100000);
    CHECK(pools_own(grown));
    check_filled(grown, EARLY_SIZE);
    free(grown);
    char *shrunk = realloc(blocks->by_realloc, 100);
    check_filled(shrunk, 100);
    free(shrunk);
    CHECK_EQUAL(pools_figure("live"), pooled ? 1 : 0);
    pools_check_ledger();
}

/* A thread that another library has started before main can allocate and free as any other thread. */
CASE(thread_from_before_main)
{
    struct early_thread *early = check_find("early_thread");
    uint64_t before = pools_figure("requests");
    CHECK_EQUAL(sem_post(&early->go), 0);
    CHECK_EQUAL(pthread_join(early->thread, NULL), 0);
    CHECK_EQUAL(pools_figure("requests"), before + 1001);
    CHECK_EQUAL(pools_figure("cached"), 0);
    check_filled(early->early, EARLY_SIZE);
    check_filled(early->late, EARLY_SIZE);
    CHECK(pools_own(early->late));
    uint64_t live = pools_figure("live");
    bool pooled = pools_own(early->early);
    free(early->early);
    free(early->late);
    CHECK_EQUAL(pools_figure("live"), live - (pooled ? 2 : 1));
    pools_check_ledger();
}
