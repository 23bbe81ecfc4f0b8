/* The rules of `sockmalloc advise`: they judge if the library's pools are worth while in a server, and which settings
 * would save how much memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/advise.h"

#include <string.h>

#include "base/bounds.h"
#include "command/shown.h"
#include "os/os.h"

/* The input of all rules: the facts about a server, and figures that are computed from the facts once. */
struct advise_work {
    const struct advise_facts *facts;
    struct remote_sizes sizes; /* the sizes of the requests that the slots in use hold, measured or estimated */
    uint64_t live;             /* resident bytes of slots in use */
    uint64_t free;             /* resident bytes of free slots */
    uint64_t cached;           /* the bytes of `free` that lie in caches of threads or processors */
    uint64_t page;             /* the size of a page in bytes */
    bool is_idle;              /* true if nothing was allocated or freed between the last two readings */
};

static const struct {
    const char *program;
    const char *setting;
    const char *lines;
    const char *place;
} servers[] = {
#define ADVISE_SERVER(program, setting, lines, place) {program, setting, lines, place},
    ADVISE_SERVER_ROWS(ADVISE_SERVER)
#undef ADVISE_SERVER
};

enum { SERVERS = sizeof servers / sizeof servers[0] };

static const char environment[] = "the environment, or Environment= in a drop-in file of systemd";

static uint64_t known(uint64_t figure)
{
    return figure != SNAPSHOT_UNKNOWN ? figure : 0;
}

/* Returns the size in bytes of the smallest request that a bucket serves. */
static size_t bucket_first(const struct bucket_plan *plan, unsigned bucket)
{
    return bucket > 0 ? plan->capacity[bucket - 1] + 1 : plan->minimum;
}

/* Returns the bucket that serves the requests in one step (a range of sizes) of the histogram of request sizes, or
 * plan->count if no bucket serves them. */
static unsigned bucket_of_step(const struct bucket_plan *plan, unsigned step)
{
    size_t request = histogram_end(step);
    unsigned bucket = 0;
    while (bucket < plan->count && (request < bucket_first(plan, bucket) || request > plan->capacity[bucket])) {
        bucket++;
    }
    return bucket;
}

/*
 * Estimates how large the requests in the slots in use are. The histogram of request sizes does not show these
 * requests, because most requests are counted in the histogram only when they are freed. So this function assumes, for
 * each bucket, that the requests in the slots in use have the same mix of sizes as the bucket's requests in the
 * histogram.
 */
static void estimate_sizes(const struct advise_facts *facts, struct remote_sizes *sizes)
{
    uint64_t seen[BUCKET_LIMIT] = {0};
    for (unsigned step = 0; step < HISTOGRAM_STEPS - 1; step++) {
        unsigned bucket = bucket_of_step(facts->plan, step);
        if (bucket < facts->plan->count) {
            seen[bucket] += facts->snapshot->sizes.count[step];
        }
    }
    for (unsigned step = 1; step < HISTOGRAM_STEPS - 1; step++) {
        unsigned bucket = bucket_of_step(facts->plan, step);
        if (bucket < facts->plan->count && seen[bucket] > 0) {
            unsigned __int128 part = (unsigned __int128)facts->snapshot->bucket[bucket].live;
            sizes->count[step] = (uint64_t)(part * facts->snapshot->sizes.count[step] / seen[bucket]);
            sizes->bytes[step] = sizes->count[step] * ((histogram_end(step - 1) + histogram_end(step)) / 2);
        }
    }
}

static uint64_t cached_bytes(const struct advise_facts *facts)
{
    uint64_t cached = 0;
    for (unsigned bucket = 0; bucket < facts->snapshot->buckets; bucket++) {
        const struct snapshot_figures *figures = &facts->snapshot->bucket[bucket];
        uint64_t most = figures->cached * facts->plan->capacity[bucket];
        cached += LESSER(most, known(figures->resident_free));
    }
    return cached;
}

static void begin(const struct advise_facts *facts, struct advise_work *work)
{
    const struct snapshot_figures *total = &facts->snapshot->total;
    *work = (struct advise_work){.facts = facts,
                                 .live = known(total->resident_live),
                                 .free = known(total->resident_free),
                                 .cached = cached_bytes(facts),
                                 .page = os_page_size(),
                                 .is_idle = facts->former != NULL && facts->former->requests == total->requests &&
                                            facts->former->returned == total->returned};
    if (facts->sizes != NULL) {
        work->sizes = *facts->sizes;
    } else {
        estimate_sizes(facts, &work->sizes);
    }
}

static bool is_much(const struct advise_work *work, uint64_t saving)
{
    return saving >= ADVISE_LEAST && saving >= (work->live + work->free) / 50;
}

static uint64_t pages(const struct advise_work *work, uint64_t bytes)
{
    return (bytes + work->page - 1) / work->page * work->page;
}

/* Returns how many bytes the requests in one step (a range of sizes) of the histogram of request sizes need in whole
 * pages, if each request begins at the start of a page. */
static uint64_t step_pages(const struct advise_work *work, unsigned step)
{
    uint64_t count = work->sizes.count[step];
    return count > 0 ? count * pages(work, work->sizes.bytes[step] / count) : 0;
}

/* Returns how many bytes the requests in a bucket's slots in use need in whole pages, if each request begins at the
 * start of a page. */
static uint64_t bucket_pages(const struct advise_work *work, unsigned bucket)
{
    uint64_t bytes = 0;
    for (unsigned step = 0; step < HISTOGRAM_STEPS - 1; step++) {
        bytes += bucket_of_step(work->facts->plan, step) == bucket ? step_pages(work, step) : 0;
    }
    return bytes;
}

/*
 * Returns an estimate of how many of the `saving` bytes are resident. `saving` counts whole pages, but some pages may
 * not be resident, because programs do not write to all pages of their buffers.
 */
static uint64_t resident_part(const struct advise_work *work, unsigned bucket, uint64_t saving)
{
    uint64_t needed = bucket_pages(work, bucket);
    uint64_t resident = known(work->facts->snapshot->bucket[bucket].resident_live);
    return needed > resident ? (uint64_t)((unsigned __int128)saving * resident / needed) : saving;
}

static void set_value(struct advice *advice, enum option option, const char *value)
{
    struct text setting = text_begin(advice->setting, sizeof advice->setting);
    struct text lines = text_begin(advice->lines, sizeof advice->lines);
    struct text shown = text_begin(advice->value, sizeof advice->value);
    text_add(&setting, "%s", option_variable(option));
    text_add(&shown, "%s", value);
    text_add(&lines, "%s=%s\n", option_variable(option), value);
    advice->place = environment;
}

static void set_number(struct advice *advice, enum option option, uint64_t number)
{
    char value[24];
    struct option_set set = {0};
    struct text text = text_begin(value, sizeof value);
    set.number[option] = number;
    option_print(&set, option, &text);
    set_value(advice, option, value);
}

static struct text sentence(struct advice *advice)
{
    return text_begin(advice->text, sizeof advice->text);
}

/* The buffers of a server that are all a little larger than `size`, a power of two. */
struct over {
    uint64_t size; /* the power of two that the buffers slightly exceed, in bytes */
    uint64_t count;
    uint64_t bytes;  /* the sum of the sizes of the buffers that are a little larger than `size` */
    uint64_t saving; /* resident bytes that would be saved if each of the buffers fitted into `size` bytes */
};

/*
 * Returns the buffer size in bytes that the user should set in the server. The server adds some bytes of its own to
 * each buffer, and with these bytes a buffer must take no more than over->size, a power of two. The number of added
 * bytes is taken to be the mean size of the buffers minus over->size. This number is exact if the server's present
 * setting is over->size. For another setting it may be too large, so at most ADDED_MOST bytes are subtracted from
 * over->size.
 */
static uint64_t over_bytes(const struct over *over)
{
    enum { ADDED_MOST = 256, UNIT = 16 };
    uint64_t added = over->bytes / over->count - over->size;
    added = LESSER(added, ADDED_MOST);
    return (over->size - added) / UNIT * UNIT;
}

/* Appends the lines of a row of ADVISE_SERVER_ROWS. Replaces each @ by over->size in a short form such as 16k, and each
 * # by the result of over_bytes. */
static void add_lines(const char *lines, const struct over *over, struct text *text)
{
    for (; *lines != '\0'; lines++) {
        if (*lines == '@') {
            text_add_size(text, over->size);
        } else if (*lines == '#') {
            text_add(text, "%lu", (unsigned long)over_bytes(over));
        } else {
            text_add(text, "%c", *lines);
        }
    }
}

/*
 * Fills in an advice to change a server's own setting for the size of its buffers: the name of the setting, the new
 * value, and the lines for the server's configuration. For an unknown program the setting is called "buffer size", and
 * there are no lines.
 */
static void set_server(const struct advise_work *work, struct advice *advice, const struct over *over)
{
    struct text value = text_begin(advice->value, sizeof advice->value);
    struct text setting = text_begin(advice->setting, sizeof advice->setting);
    struct text lines = text_begin(advice->lines, sizeof advice->lines);
    for (unsigned i = 0; i < SERVERS; i++) {
        if (strcmp(servers[i].program, work->facts->snapshot->program) == 0) {
            add_lines(strchr(servers[i].lines, '@') != NULL ? "@" : "#", over, &value);
            text_add(&setting, "%s", servers[i].setting);
            add_lines(servers[i].lines, over, &lines);
            advice->place = servers[i].place;
            return;
        }
    }
    text_add_size(&value, over->size);
    text_add(&setting, "buffer size");
    advice->place = "the configuration of the server";
}

static struct over find_over(const struct advise_work *work, unsigned step)
{
    struct over over = {.size = histogram_end(step - 1), .count = work->sizes.count[step]};
    unsigned bucket = bucket_of_step(work->facts->plan, step);
    over.bytes = work->sizes.bytes[step];
    if (over.count > 0 && bucket < work->facts->plan->count) {
        over.saving = resident_part(work, bucket, step_pages(work, step) - over.count * pages(work, over.size));
    }
    return over;
}

/* Returns true if the server is redis, whose reply buffers have a fixed size a little above 16 KiB. */
static bool is_redis(const struct advise_work *work)
{
    return strcmp(work->facts->snapshot->program, "redis-server") == 0;
}

static bool advise_just_over(const struct advise_work *work, struct advice *advice)
{
    struct over most = {0};
    for (unsigned step = 1; step < HISTOGRAM_STEPS - 1; step++) {
        size_t end = histogram_end(step - 1);
        if ((end & (end - 1)) == 0 && end >= work->page) {
            struct over over = find_over(work, step);
            most = over.saving > most.saving ? over : most;
        }
    }
    if (!is_much(work, most.saving) || is_redis(work)) {
        return false;
    }
    struct text text = sentence(advice);
    set_server(work, advice, &most);
    advice->saving = most.saving;
    text_add(&text, "%lu buffers of about %lu bytes need more pages than %lu bytes would.", (unsigned long)most.count,
             (unsigned long)(most.bytes / most.count), (unsigned long)most.size);
    return true;
}

static bool advise_replies(const struct advise_work *work, struct advice *advice)
{
    enum { REPLY = 16 << 10 };
    unsigned step = histogram_step(REPLY + 1);
    uint64_t held = step_pages(work, step);
    if (!is_redis(work) || held < ADVISE_LEAST || held < work->live / 4) {
        return false;
    }
    struct text text = sentence(advice);
    struct text setting = text_begin(advice->setting, sizeof advice->setting);
    struct text lines = text_begin(advice->lines, sizeof advice->lines);
    text_add(&setting, "client-output-buffer-limit");
    text_add(&lines, "client-output-buffer-limit normal 16mb 4mb 60\n");
    advice->place = "redis.conf";
    text_add(&text, "%lu reply buffers hold ", (unsigned long)work->sizes.count[step]);
    shown_mebibytes(held, 0, &text);
    text_add(&text, " MiB for clients that do not read.");
    return true;
}

static bool advise_minimum(const struct advise_work *work, struct advice *advice)
{
    const struct bucket_plan *plan = work->facts->plan;
    uint64_t wasted = 0;
    uint64_t count = 0;
    for (unsigned step = histogram_step(plan->minimum); step <= histogram_step(2 * plan->minimum); step++) {
        /* mimalloc is assumed to need one sixteenth more than the bytes of the requests, on average */
        uint64_t packed = work->sizes.bytes[step] + work->sizes.bytes[step] / 16;
        wasted += EXCESS(step_pages(work, step), packed);
        count += work->sizes.count[step];
    }
    advice->saving = wasted;
    if (!is_much(work, wasted) || 2 * plan->minimum >= plan->maximum || !option_allows(OPTION_MIN, 2 * plan->minimum)) {
        return false;
    }
    set_number(advice, OPTION_MIN, 2 * plan->minimum);
    struct text text = sentence(advice);
    text_add(&text, "%lu slots hold requests of %lu to %lu bytes, and waste much of their pages.", (unsigned long)count,
             (unsigned long)plan->minimum, 2 * (unsigned long)plan->minimum);
    return true;
}

/*
 * Returns how many requests the program has made, and their bytes. If the caller of advise_judge has counted requests
 * of all sizes (facts->traffic), returns these counts. Otherwise returns the counts of the snapshot, which the library
 * has kept since the start of the program.
 */
static struct traffic traffic_of(const struct advise_work *work)
{
    struct traffic traffic = {0};
    if (work->facts->traffic != NULL) {
        return *work->facts->traffic;
    }
    traffic_add(&traffic, work->facts->snapshot, NULL, work->facts->plan);
    return traffic;
}

static bool advise_maximum(const struct advise_work *work, struct advice *advice)
{
    enum { MOST = 64 << 20 };
    struct traffic traffic = traffic_of(work);
    if (traffic.above.calls <= (traffic.pools.calls + traffic.above.calls) / 100 ||
        work->facts->plan->maximum >= MOST) {
        return false;
    }
    set_number(advice, OPTION_MAX, MOST);
    struct text text = sentence(advice);
    text_add(&text, "%lu requests were larger than ", (unsigned long)traffic.above.calls);
    text_add_size(&text, work->facts->plan->maximum);
    text_add(&text, "; each has cost two system calls and new pages.");
    return true;
}

static bool advise_headroom(const struct advise_work *work, struct advice *advice)
{
    const struct bucket_plan *plan = work->facts->plan;
    unsigned best = plan->count;
    for (unsigned bucket = 0; bucket + 1 < plan->count; bucket++) {
        uint64_t count = work->sizes.count[histogram_step(plan->capacity[bucket] + 1)];
        uint64_t needed = bucket_pages(work, bucket + 1);
        uint64_t live = work->facts->snapshot->bucket[bucket + 1].live;
        uint64_t stale = EXCESS(known(work->facts->snapshot->bucket[bucket + 1].resident_live), needed);
        uint64_t saving = live > 0 ? stale / live * LESSER(count, live) : 0;
        if (4 * count >= live && saving > advice->saving) {
            advice->saving = saving;
            best = bucket;
        }
    }
    if (best == plan->count || !is_much(work, advice->saving)) {
        return false;
    }
    uint64_t headroom = work->facts->settings->number[OPTION_HEADROOM] + pages(work, plan->capacity[best] / 16);
    if (!option_allows(OPTION_HEADROOM, headroom)) {
        return false;
    }
    set_number(advice, OPTION_HEADROOM, headroom);
    struct text text = sentence(advice);
    text_add(&text, "Requests a little above %lu bytes lie in slots twice as large, which keep old pages.",
             (unsigned long)plan->capacity[best]);
    return true;
}

static bool advise_cache(const struct advise_work *work, struct advice *advice)
{
    uint64_t limit = GREATER(work->facts->snapshot->charged / 4, (uint64_t)1 << 20);
    advice->saving = work->cached / 4 * 3;
    if (work->cached <= work->live / 4 || !is_much(work, advice->saving) ||
        work->facts->snapshot->kind == KIND_STANDARD) {
        return false;
    }
    set_number(advice, OPTION_CACHE, limit >> 20 << 20);
    struct text text = sentence(advice);
    text_add(&text, "Caches hold ");
    shown_mebibytes(work->cached, 0, &text);
    text_add(&text, " MiB of free slots beside ");
    shown_mebibytes(work->live, 0, &text);
    text_add(&text, " MiB in use.");
    return true;
}

static bool advise_crowd(const struct advise_work *work, struct advice *advice)
{
    enum { CROWD = 8 };
    /* the mean number of threads of a process */
    unsigned threads = work->facts->threads / (unsigned)GREATER(work->facts->snapshot->processes, 1U);
    unsigned processors = work->facts->processors;
    if (work->facts->snapshot->kind != KIND_THREAD || processors == 0 || threads < CROWD * processors) {
        return false;
    }
    advice->saving = work->cached / threads * (threads - processors);
    if (!is_much(work, advice->saving)) {
        return false;
    }
    set_value(advice, OPTION_POOL, "cpu");
    struct text text = sentence(advice);
    text_add(&text, "%u threads on %u processors have caches of their own, which hold ", threads, processors);
    shown_mebibytes(work->cached, 0, &text);
    text_add(&text, " MiB.");
    return true;
}

static bool has_decay(const struct advise_work *work)
{
    return work->facts->settings->number[OPTION_DECAY_MS] != SETTING_NONE;
}

static bool advise_background(const struct advise_work *work, struct advice *advice)
{
    advice->saving = work->free;
    if (!work->is_idle || !has_decay(work) || work->facts->settings->number[OPTION_BACKGROUND] != 0 ||
        !is_much(work, work->free)) {
        return false;
    }
    set_value(advice, OPTION_BACKGROUND, "1");
    struct text text = sentence(advice);
    text_add(&text, "The program is idle, and ");
    shown_mebibytes(work->free, 0, &text);
    text_add(&text, " MiB of free memory wait for its next calls.");
    return true;
}

static bool advise_decay(const struct advise_work *work, struct advice *advice)
{
    enum { USUAL = 250, SHORT = 50, PARTS = 5 };
    uint64_t former = work->facts->settings->number[OPTION_DECAY_MS];
    uint64_t number = has_decay(work) ? GREATER(former / PARTS, SHORT) : USUAL;
    uint64_t outside = EXCESS(work->free, work->cached);
    advice->saving = has_decay(work) && former > 0 ? outside / former * EXCESS(former, number) : outside;
    if (number >= former || (has_decay(work) && work->is_idle) || work->free <= (work->live + work->free) / 10 ||
        !is_much(work, advice->saving)) {
        return false;
    }
    set_number(advice, OPTION_DECAY_MS, number);
    struct text text = sentence(advice);
    shown_mebibytes(outside, 0, &text);
    text_add(&text, " MiB of free slots keep their pages%s.", has_decay(work) ? " for a time" : " for ever");
    return true;
}

static bool advise_retain(const struct advise_work *work, struct advice *advice)
{
    uint64_t outside = EXCESS(work->free, work->cached);
    uint64_t limit = (GREATER(work->live / 4, (uint64_t)1 << 20) + work->cached) >> 20 << 20;
    advice->saving = EXCESS(work->free, limit);
    if (work->facts->settings->number[OPTION_RETAIN] != SETTING_NONE || outside <= work->live / 2 ||
        !is_much(work, advice->saving)) {
        return false;
    }
    set_number(advice, OPTION_RETAIN, limit);
    struct text text = sentence(advice);
    shown_mebibytes(work->free, 0, &text);
    text_add(&text, " MiB are free beside ");
    shown_mebibytes(work->live, 0, &text);
    text_add(&text, " MiB in use, as after a burst.");
    return true;
}

static bool (*const rules[])(const struct advise_work *, struct advice *) = {
#define ADVISE_CALL(name, setting, condition, text) advise_##name,
    ADVISE_ROWS(ADVISE_CALL)
#undef ADVISE_CALL
};

/* Inserts an advice into the result, whose advices are sorted by their saving, the largest one first. */
static void keep(struct advise_result *result, const struct advice *advice)
{
    unsigned at = result->count++;
    for (; at > 0 && result->advice[at - 1].saving < advice->saving; at--) {
        result->advice[at] = result->advice[at - 1];
    }
    result->advice[at] = *advice;
}

static void add_percent(uint64_t part, uint64_t whole, const char *of, struct text *text)
{
    text_add(text, "%lu %% of %s", (unsigned long)(snapshot_share(part, whole) / 100), of);
}

/*
 * Decides if the pools are worth while, and writes the verdict, a sentence that says so. The verdict begins the output.
 */
static void judge(const struct advise_work *work, struct advise_result *result)
{
    enum { SHARE_LEAST = 2500, PART_LEAST = 20 };
    const struct advise_facts *facts = work->facts;
    struct text text = text_begin(result->verdict, sizeof result->verdict);
    struct traffic traffic = traffic_of(work);
    bool all = facts->traffic != NULL;
    uint64_t held = work->live + work->free;
    uint64_t resident = facts->memory != NULL ? known(facts->memory->resident) : 0;
    if (facts->snapshot->buckets == 0) {
        text_add(&text, "Not in effect here: the pools are off.");
        return;
    }
    uint64_t bytes = all ? traffic_bytes(&traffic) : traffic.pools.bytes + traffic.fallen.bytes;
    uint64_t calls = all ? traffic_calls(&traffic) : traffic.pools.calls + traffic.fallen.calls;
    bool is_served = all && snapshot_share(traffic.pools.bytes, bytes) >= SHARE_LEAST;
    result->is_worth =
        traffic.pools.calls > 0 && (is_served || (held >= ADVISE_LEAST && held >= resident / PART_LEAST));
    text_add(&text, "%s: the pools serve ", result->is_worth ? "Worth it here" : "Not worth it here");
    add_percent(traffic.pools.bytes, bytes, all ? "all bytes and " : "the bytes and ", &text);
    add_percent(traffic.pools.calls, calls, all ? "all calls" : "the calls of ", &text);
    if (!all) {
        text_add_size(&text, facts->plan->minimum);
        text_add(&text, " to ");
        text_add_size(&text, facts->plan->maximum);
    }
    text_add(&text, ", and hold ");
    shown_mebibytes(held, 0, &text);
    text_add(&text, " MiB");
    if (resident > 0) {
        text_add(&text, " of ");
        shown_mebibytes(resident, 0, &text);
        text_add(&text, " MiB resident");
    }
    text_add(&text, ".");
}

void advise_judge(const struct advise_facts *facts, struct advise_result *result)
{
    static struct advise_work work;
    *result = (struct advise_result){0};
    begin(facts, &work);
    judge(&work, result);
    for (unsigned rule = 0; rule < ADVISE_RULES && facts->snapshot->buckets > 0; rule++) {
        struct advice advice = {.rule = (enum advise_rule)rule};
        if (rules[rule](&work, &advice)) {
            keep(result, &advice);
        }
    }
}
