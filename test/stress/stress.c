/* Puts one kind of pool under a heavy load by many threads, and compares all of the pool's counters with the program's
 * own counts. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "claim.h"
#include "command.h"
#include "fault.h"
#include "lay.h"
#include "pool/pool.h"
#include "staff.h"
#include "statistics/snapshot.h"

/* the exit status that automake's test driver takes for a skipped test */
enum { EXIT_SKIPPED = 77 };

/* Prints how much the run has done, so that a person can see that it tested enough. */
static void say_totals(const struct staff_totals *totals)
{
    struct snapshot snapshot;
    snapshot_take(&snapshot);
    printf("stress: %lu rounds, %lu forks, %lu replacements; %lu requests, %lu from caches, %lu "
           "stolen magazines, %lu fell through (%s)\n",
           totals->rounds, totals->forks, totals->replacements, snapshot.total.requests, snapshot.total.cache_hits,
           snapshot.total.steals, snapshot.total.fell_through, command_text());
}

int main(int count, char **words)
{
    command_read(count, words);
    if (!lay_rooms()) {
        fprintf(stderr, "stress: this machine has no restartable sequences (%s)\n", command_text());
        return EXIT_SKIPPED;
    }
    fault_watch(command.seconds, "the run as a whole");
    claim_open();
    struct staff_totals totals = staff_run();
    if (command.kind == KIND_AUTO && pool_kind() != KIND_CPU) {
        fault_die("the pool auto never changed its kind");
    }
    say_totals(&totals);
    return 0;
}
