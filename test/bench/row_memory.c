/* Measures the row `memory`: prints the memory of another process, for scripts/bench-servers. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench.h"
#include "memory.h"

void row_memory(const char *argument)
{
    double resident = memory_resident(argument);
    bench_report("memory.rss", resident, "MiB");
    bench_report("memory.untouched", memory_untouched(argument), "MiB");
}
