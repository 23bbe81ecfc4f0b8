/* Tests of pool/pool_atfork.c with a parent whose other threads allocate and free all the time, so that the fork
 * interrupts them anywhere. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "pool/pool.h"
#include "statistics/snapshot.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/processors.h"
#include "support/quotas.h"
#include "support/recovered.h"

enum { FORKS = 16, CHURNERS = 8, PLACES = 64, KEEPERS = 24, REQUEST_SPAN = 262144 - 4096 };

static char *keepers[KEEPERS];
static _Atomic(char *) places[PLACES];
static _Atomic bool over;
static _Atomic unsigned turns;

/* The parent holds this mutex from the moment just after a fork until the child has ended, so that the parent's threads
 * wait and the child gets the processors. At the fork itself the parent's threads are working. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool gate_is_shut;

static void shut_gate(void)
{
    pthread_mutex_lock(&gate);
    gate_is_shut = true;
}

static void open_gate(void)
{
    gate_is_shut = false;
    pthread_mutex_unlock(&gate);
}

static void pass_gate(void)
{
    if (gate_is_shut) {
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    }
}

static size_t keeper_size(unsigned number)
{
    return (size_t)4096 << number % 6;
}

static void mark(char *slot, size_t size)
{
    uint64_t address = (uintptr_t)slot;
    memcpy(slot, &address, sizeof address);
    memcpy(slot + size - sizeof address, &address, sizeof address);
}

static void expect_mark(const char *slot, size_t size)
{
    uint64_t address = (uintptr_t)slot;
    CHECK(memcmp(slot, &address, sizeof address) == 0);
    CHECK(memcmp(slot + size - sizeof address, &address, sizeof address) == 0);
}

static size_t request_of(const char *slot)
{
    return region_request(region_number(slot));
}

static void recover_churned(void *argument)
{
    (void)argument;
    region_release();
    uint32_t live = 0;
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        live += house_metadata(bucket, SLOT_LIVE);
    }
    uint32_t known = KEEPERS;
    for (unsigned i = 0; i < PLACES; i++) {
        char *slot = places[i];
        if (slot != NULL) {
            known++;
            CHECK(slot_meta_state(region_meta(region_number(slot))) == SLOT_LIVE);
            expect_mark(slot, request_of(slot));
        }
    }
    pool_atfork_child_at_once();
    recovered_expect();
    struct snapshot snapshot;
    snapshot_take(&snapshot);
    CHECK(snapshot.total.live == live);
    /* At the fork, each thread may have removed one slot from `places` and not yet freed it, or may have allocated one
     * and not yet put it into `places`. Such a slot stays live in the child. */
    CHECK(live >= known && live - known <= CHURNERS);
    for (unsigned bucket = 0; bucket < house_plan.count; bucket++) {
        recovered_take_all_free(bucket);
    }
    for (unsigned i = 0; i < KEEPERS; i++) {
        expect_mark(keepers[i], keeper_size(i));
        house_give(keepers[i]);
    }
    for (unsigned i = 0; i < PLACES; i++) {
        char *slot = places[i];
        if (slot != NULL) {
            expect_mark(slot, request_of(slot));
            house_give(slot);
        }
    }
    house_check();
}

/* Runs as a thread: allocates slots and puts them into `places`, and frees the slots that are there, which other
 * threads have allocated. A slot is missing from `places` only while a thread is allocating or freeing that slot. */
static void churn(unsigned number)
{
    uint64_t random = number + 1;
    while (!over) {
        pass_gate();
        atomic_fetch_add(&turns, 1);
        _Atomic(char *) *place = &places[crew_random(&random) % PLACES];
        char *slot = atomic_exchange(place, NULL);
        if (slot == NULL) {
            /* a random request of any trained bucket or of the first two large buckets */
            size_t request = 4096 + crew_random(&random) % REQUEST_SPAN;
            unsigned bucket = 0;
            while (house_plan.capacity[bucket] < request) {
                bucket++;
            }
            slot = house_take(bucket, request, NULL);
            if (!CHECK(slot != NULL)) {
                return;
            }
            mark(slot, request);
            slot = atomic_exchange(place, slot);
        }
        if (slot != NULL) {
            house_give(slot);
        }
        if (random % 1024 == 0) {
            pool_trim(1 << 20);
        }
    }
}

static void fork_or_churn(unsigned number)
{
    if (number != 0) {
        churn(number);
        return;
    }
    while (house_pools.kind == KIND_AUTO && pool_kind() != KIND_CPU) {
        /* waits until the other threads have started and the pool kind `auto` has changed to the caches of processors,
         * which may take long on a busy machine */
        sched_yield();
    }
    for (unsigned i = 0; i < FORKS && crew_fault() == NULL; i++) {
        struct capture capture;
        unsigned from = turns;
        while (turns - from < 1000) {
            sched_yield();
        }
        region_hold();
        capture_run(&capture, recover_churned, NULL);
        region_release();
        open_gate();
        recovered_expect_clean(&capture);
    }
    over = true;
}

static void lay_keepers(void)
{
    house_lay_default();
    for (unsigned i = 0; i < KEEPERS; i++) {
        unsigned bucket = i % 6;
        keepers[i] = house_take(bucket, keeper_size(i), NULL);
        cr_assert_not_null(keepers[i]);
        mark(keepers[i], keeper_size(i));
    }
}

static void fork_while_others_churn(enum kind kind)
{
    house_pools.kind = kind;
    /* this number of threads makes the pool kind `auto` change to the caches of processors, while further threads are
     * still starting */
    house_pools.crowd = CHURNERS / 2;
    house_pools.free_list = 8;
    lay_keepers();
    cr_assert_eq(pthread_atfork(NULL, shut_gate, NULL), 0);
    crew_run(CHURNERS + 1, fork_or_churn);
    house_assert();
    for (unsigned i = 0; i < KEEPERS; i++) {
        expect_mark(keepers[i], keeper_size(i));
    }
    cr_assert_null(crew_fault(), "%s", crew_fault());
}

Test(pool_atfork_churn, child_of_churning_threads_takes_over, .timeout = 60)
{
    fork_while_others_churn(KIND_THREAD);
}

Test(pool_atfork_churn, while_quotas_are_trained, .timeout = 60)
{
    house_pools.training = (struct training_settings){.frozen = false};
    house_pools.cache_limit = 8 << 20;
    fork_while_others_churn(KIND_THREAD);
    quotas_check();
    cr_assert_null(crew_fault(), "%s", crew_fault());
}

Test(pool_atfork_churn, of_the_pool_lockfree, .timeout = 60)
{
    fork_while_others_churn(KIND_LOCKFREE);
}

Test(pool_atfork_churn, of_the_pool_standard, .timeout = 60)
{
    fork_while_others_churn(KIND_STANDARD);
}

Test(pool_atfork_churn, of_the_pool_cpu, .timeout = 60)
{
    processors_need();
    house_pools.cache_limit = 8 << 20;
    fork_while_others_churn(KIND_CPU);
    cr_assert_eq(pool_kind(), KIND_CPU);
}

Test(pool_atfork_churn, of_the_pool_auto_once_it_has_turned, .timeout = 60)
{
    processors_need();
    /* This thread keeps its own cache when the pool kind `auto` changes to the caches of processors. The budget must be
     * enough for both this cache and those of the processors. */
    house_pools.cache_limit = 64 << 20;
    fork_while_others_churn(KIND_AUTO);
    cr_assert_eq(pool_kind(), KIND_CPU);
    cr_assert_gt(percpu_quota(B4K), 0);
}
