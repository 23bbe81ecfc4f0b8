/* The benchmark row `memory`, which scripts/bench-servers runs: prints how much memory of another process is resident,
 * and how much of that was populated but never written to. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench.h"
#include "memory.h"

void row_memory(const char *argument)
{
    double resident = memory_resident(argument);
    bench_report("memory.rss", resident, "MiB");
    bench_report("memory.untouched", memory_untouched(argument), "MiB");
}
