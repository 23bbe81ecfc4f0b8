/* Tests of the sample of the requests that the pools do not serve. From this sample the histogram of request sizes gets
 * its figures for those requests. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "memory/bucket.h"
#include "pool/histogram.h"
#include "route/route.h"
#include "support/crew.h"
#include "support/house.h"

/* Each thread samples one of INTERVAL requests. */
enum { INTERVAL = 61, REQUESTS = 100 * INTERVAL, THREADS = 1000, FEW = 6 };

static struct histogram_figures figures;

static uint64_t count_of(size_t request)
{
    histogram_read(&figures);
    return figures.count[histogram_step(request)];
}

static void lay(bool small)
{
    route_watch_small(small);
    house_lay_default();
}

static void use(size_t request)
{
    route_free("free", route_alloc(request, NULL));
}

Test(route_outside, sizes_near_the_pools_are_sampled)
{
    lay(false);
    for (unsigned i = 0; i < REQUESTS; i++) {
        use(BUCKET_REQUEST_FLOOR);
        use(3000);
        use(5 << 20);
    }
    /* INTERVAL is a prime, so that each of three sizes, requested in turn, is sampled equally often. */
    cr_assert_leq(count_of(BUCKET_REQUEST_FLOOR) + count_of(3000) + count_of(5 << 20), 3 * REQUESTS + INTERVAL);
    cr_assert_geq(count_of(BUCKET_REQUEST_FLOOR), REQUESTS * 9 / 10);
    cr_assert_geq(count_of(3000), REQUESTS * 9 / 10);
    cr_assert_geq(count_of(5 << 20), REQUESTS * 9 / 10);
}

Test(route_outside, small_requests_are_not_sampled)
{
    lay(false);
    for (unsigned i = 0; i < REQUESTS; i++) {
        use(BUCKET_REQUEST_FLOOR - 1);
        use(16);
    }
    cr_assert_eq(count_of(BUCKET_REQUEST_FLOOR - 1), 0);
    cr_assert_eq(count_of(16), 0);
}

Test(route_outside, small_requests_are_sampled_when_enabled)
{
    lay(true);
    for (unsigned i = 0; i < REQUESTS; i++) {
        use(16);
    }
    cr_assert_leq(count_of(16), REQUESTS + INTERVAL);
    cr_assert_geq(count_of(16), REQUESTS - INTERVAL);
    cr_assert_eq(figures.sum, count_of(16) * 16);
}

Test(route_outside, every_kind_of_request_is_sampled)
{
    lay(true);
    for (unsigned i = 0; i < REQUESTS; i++) {
        route_free("free", route_alloc_zeroed(10, 10, NULL));
        route_free("free", route_alloc_aligned(64, 320, NULL));
        route_free("free", route_realloc("realloc", route_alloc(16, NULL), 1000, NULL));
    }
    cr_assert_geq(count_of(100), REQUESTS * 9 / 10);
    cr_assert_geq(count_of(320), REQUESTS * 9 / 10);
    cr_assert_geq(count_of(1000), REQUESTS * 9 / 10);
}

Test(route_outside, refused_requests_are_not_sampled)
{
    /* the variable is volatile, because the compiler would otherwise see the size and warn */
    volatile size_t most = SIZE_MAX;
    lay(true);
    for (unsigned i = 0; i < REQUESTS; i++) {
        cr_assert_null(route_alloc(most - 4096, NULL));
        cr_assert_null(route_alloc_zeroed(most, 2, NULL));
    }
    cr_assert_eq(count_of(SIZE_MAX), 0);
}

static void ask_little(unsigned number)
{
    (void)number;
    for (unsigned i = 0; i < FEW; i++) {
        use(16);
    }
}

/*
 * A thread that makes fewer than INTERVAL requests must still sample each of them with the right probability. The
 * threads must run at the same time. Threads that run one after the other may get the same thread-local memory, and
 * their samples would then begin at the same random place.
 */
Test(route_outside, threads_with_few_requests_are_sampled)
{
    lay(true);
    for (unsigned i = 0; i < THREADS / 50; i++) {
        crew_run(50, ask_little);
    }
    cr_assert_geq(count_of(16), THREADS * FEW / 4);
    cr_assert_leq(count_of(16), THREADS * FEW * 4);
}
