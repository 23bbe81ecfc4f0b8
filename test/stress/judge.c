/* Compares the test program's own counts with the pools' counters, while the workers work and while they wait. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "judge.h"

#include "cache/budget.h"
#include "claim.h"
#include "command.h"
#include "fault.h"
#include "lay.h"
#include "memory/region.h"
#include "pool/standard.h"
#include "statistics/snapshot.h"

/*
 * The pools' count of one thread's frees can be wrong for a moment, by at most TICK frees. Half of TICK is how many
 * frees a thread makes between two readings of the clock. The other half is there because a reading can come late, by
 * as many frees again.
 */
enum { TICK = 2 * 1024 };

typedef struct books_sum sums[BUCKET_LIMIT];

static void judge_add(const struct judge_case *it, sums *sum)
{
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        (*sum)[bucket] = (struct books_sum){0};
        for (unsigned i = 0; i < it->count; i++) {
            books_add(&(*sum)[bucket], &it->workers[i].books, bucket);
        }
    }
}

static void judge_within(unsigned bucket, const char *what, uint64_t figure, uint64_t least, uint64_t most)
{
    if (figure < least || figure > most) {
        fault_die("under load, bucket %s: %s is %lu, and can be from %lu to %lu", lay_plan.label[bucket], what, figure,
                  least, most);
    }
}

/* Returns `more` minus `less`, or 0 if the difference is negative. The difference can be negative because the two
 * counts were read at different times. */
static uint64_t judge_more(uint64_t more, uint64_t less)
{
    return more > less ? more - less : 0;
}

static void judge_bucket_under_load(const struct judge_case *it, unsigned bucket,
                                    const struct snapshot_figures *figures, const struct books_sum *before,
                                    const struct books_sum *after)
{
    uint64_t n = it->count;
    uint64_t inherited = it->live[bucket];
    judge_within(bucket, "requests", figures->requests, before->taken, after->taken + n);
    judge_within(bucket, "returned", figures->returned, judge_more(before->given, n * TICK),
                 after->given + n + n * TICK);
    judge_within(bucket, "asked", figures->asked, before->asked, after->asked + n * lay_plan.capacity[bucket]);
    judge_within(bucket, "live", figures->live, judge_more(inherited + before->taken, after->given + n),
                 inherited + after->taken + n - before->given);
}

void judge_under_load(const struct judge_case *it)
{
    sums before, after;
    struct snapshot snapshot;
    judge_add(it, &before);
    snapshot_take(&snapshot);
    judge_add(it, &after);
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        judge_bucket_under_load(it, bucket, &snapshot.bucket[bucket], &before[bucket], &after[bucket]);
    }
}

static void judge_same(const char *doing, unsigned bucket, const char *what, uint64_t figure, const char *other,
                       uint64_t expected)
{
    if (figure != expected) {
        fault_die("%s, bucket %s: %s is %lu, and %s %lu", doing, lay_plan.label[bucket], what, figure, other, expected);
    }
}

/* Figures of one bucket, read from the metadata of its slots: how many slots are purged, how many were never used, and
 * in `weight` how many bytes were requested in the live slots. */
struct slot_states {
    uint64_t purged;
    uint64_t never_used;
    uint64_t weight;
};

static struct slot_states judge_read_metadata(unsigned bucket)
{
    struct slot_states states = {0};
    for (uint32_t number = region_next(0); number != REGION_END; number = region_after(number)) {
        uint8_t meta = region_meta(number);
        if (slot_meta_bucket(meta) != bucket) {
            continue;
        }
        states.weight += slot_meta_state(meta) == SLOT_LIVE ? region_request(number) : 0;
        states.purged += slot_meta_state(meta) == SLOT_PURGED;
        states.never_used += slot_meta_state(meta) == SLOT_NEVER_USED;
    }
    return states;
}

static void judge_retained(const struct judge_case *it, const char *doing, unsigned bucket,
                           const struct snapshot_figures *figures, const struct books_sum *own)
{
    struct slot_states states = judge_read_metadata(bucket);
    judge_same(doing, bucket, "live", figures->live, "malloc and free were called for",
               it->live[bucket] + own->taken - own->given);
    judge_same(doing, bucket, "live", figures->live, "slots with an owner are", claim_count(bucket) + it->lost[bucket]);
    if (figures->purged < states.purged || figures->purged > states.purged + states.never_used) {
        fault_die("%s, bucket %s: purged is %lu; metadata says so of %lu, and %lu were never used", doing,
                  lay_plan.label[bucket], figures->purged, states.purged, states.never_used);
    }
    judge_same(doing, bucket, "live + cached + depot + purged",
               figures->live + figures->cached + figures->depot + figures->purged, "carved is", figures->carved);
    judge_same(doing, bucket, "bytes of live metadata", states.weight, "owners have", it->weight[bucket] + own->weight);
}

/* Checks the counters of a bucket that has no magazines. Its free slots lie only on the stacks that all threads share,
 * and its slots are carved one by one. */
static void judge_free(const struct judge_case *it, const char *doing, unsigned bucket,
                       const struct snapshot_figures *figures)
{
    judge_same(doing, bucket, "cached", figures->cached, "slots in caches must be", 0);
    judge_same(doing, bucket, "cache_hits", figures->cache_hits, "slots in caches must be", 0);
    judge_same(doing, bucket, "depot_hits", figures->depot_hits, "requests that did not carve are",
               figures->requests - (figures->carved - it->carved[bucket]));
    if (command.kind == KIND_STANDARD) {
        judge_same(doing, bucket, "depot", figures->depot, "the list counts", standard_count(bucket));
    }
}

static void judge_events(const char *doing, unsigned bucket, const struct snapshot_figures *figures,
                         const struct books_sum *own)
{
    judge_same(doing, bucket, "requests", figures->requests, "slots that workers allocated are", own->taken);
    judge_same(doing, bucket, "returned", figures->returned, "slots that workers freed are", own->given);
    judge_same(doing, bucket, "asked", figures->asked, "bytes that workers requested are", own->asked);
    judge_same(doing, bucket, "fell_through", figures->fell_through, "workers counted", own->fell_through);
    judge_same(doing, bucket, "fell_through_asked", figures->fell_through_asked, "workers counted",
               own->fell_through_asked);
}

static void judge_budget(const struct snapshot *snapshot, const char *doing)
{
    uint64_t charged = 0;
    uint64_t retained = 0;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        charged += snapshot->bucket[bucket].quota * region.geometry[bucket].capacity;
        retained += snapshot->bucket[bucket].depot * region.geometry[bucket].capacity;
    }
    if (snapshot->charged != charged || charged > snapshot->budget) {
        fault_die("%s: charged are %lu bytes of %lu, and quotas are %lu", doing, snapshot->charged, snapshot->budget,
                  charged);
    }
    if (budget_limits_retained() && (uint64_t)budget.retained != retained) {
        fault_die("%s: retained are %ld bytes, and the depots hold %lu", doing, budget.retained, retained);
    }
}

void judge_at_rest(const struct judge_case *it, const char *doing)
{
    sums own;
    struct snapshot snapshot;
    judge_add(it, &own);
    snapshot_take(&snapshot);
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        judge_retained(it, doing, bucket, &snapshot.bucket[bucket], &own[bucket]);
        judge_events(doing, bucket, &snapshot.bucket[bucket], &own[bucket]);
        if (lay_is_free(bucket)) {
            judge_free(it, doing, bucket, &snapshot.bucket[bucket]);
        }
    }
    judge_budget(&snapshot, doing);
}

void judge_by_emptying(const struct judge_case *it, struct worker *worker, const char *doing)
{
    struct snapshot snapshot;
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        while (worker_seize(worker, bucket) != NULL) {
        }
    }
    judge_at_rest(it, doing);
    snapshot_take(&snapshot);
    for (unsigned bucket = 0; bucket < region.buckets; bucket++) {
        const struct snapshot_figures *figures = &snapshot.bucket[bucket];
        uint64_t elsewhere = snapshot.kind == KIND_CPU ? figures->cached : 0;
        if (figures->live + elsewhere != figures->carved) {
            fault_die("%s, bucket %s: live are %lu of %lu; cached are %lu, in the depot %lu, "
                      "purged %lu",
                      doing, lay_plan.label[bucket], figures->live, figures->carved, figures->cached, figures->depot,
                      figures->purged);
        }
    }
}
