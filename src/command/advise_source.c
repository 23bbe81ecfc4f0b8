/* Judges by the figures in a file of statistics if the library's pools are worth while in a server. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/advise_source.h"

static char *advise_source_no_variable(const char *name)
{
    (void)name;
    return NULL;
}

/*
 * Returns the settings that a file of statistics holds. A setting keeps its default value if the file lacks it. The
 * settings whose values are paths also keep their defaults, because only numbers are read.
 */
static const struct option_set *advise_source_settings(const struct report_source *source)
{
    static struct option_set settings;
    option_read(&settings, advise_source_no_variable, NULL);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        uint64_t number;
        bool is_path = i == OPTION_PROFILE || i == OPTION_STATS;
        if (!is_path && source->settings[i] != NULL &&
            option_read_value((enum option)i, source->settings[i], &number)) {
            settings.number[i] = number;
        }
    }
    return &settings;
}

/* Returns the sample with the most resident memory in the pools. The server is judged by this sample, because the peak
 * decides how much memory the server needs. */
static const struct recording_sample *advise_source_peak(const struct report_source *source)
{
    const struct recording_sample *peak = &source->last;
    for (unsigned i = 0; i < source->points; i++) {
        uint64_t resident = source->point[i].snapshot.total.resident;
        bool is_more = resident != SNAPSHOT_UNKNOWN && resident > peak->snapshot.total.resident;
        peak = is_more ? &source->point[i] : peak;
    }
    return peak;
}

void advise_source_judge(const struct report_source *source, struct advise_result *result)
{
    const struct option_set *settings = advise_source_settings(source);
    struct recording_sample sample = *advise_source_peak(source);
    struct traffic traffic = {0};
    sample.snapshot.program = source->program;
    traffic_add(&traffic, &sample.snapshot, NULL, &source->plan);
    const struct advise_facts facts = {.snapshot = &sample.snapshot,
                                       .plan = &source->plan,
                                       .settings = settings,
                                       .memory = &sample.memory,
                                       .traffic = settings->number[OPTION_SAMPLE_SMALL] != 0 ? &traffic : NULL};
    advise_judge(&facts, result);
}
