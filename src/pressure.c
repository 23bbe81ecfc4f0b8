/* Whether memory is near its end: the control group's limit, or waiting for memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pressure.h"

#include "cgroup.h"
#include "clock.h"
#include "seal.h"

/*
 * The pressure is high when an eighth of the limit is left, or when some process waited for memory
 * in a tenth of the last ten seconds. What is left may go between two looks by a quarter.
 */
enum { RESERVE_SHARE = 8, STALL_HIGH = 1000, LOOK_SHARE = 4 };
enum { STEP_LEAST = 256 << 10, STEP_MOST = 64 << 20 };

static const uint64_t high_interval = 20 * UINT64_C(1000000);
static const uint64_t interval = 200 * UINT64_C(1000000);

struct pressure pressure = {.off = true, .looking = ATOMIC_FLAG_INIT};
static const char *pressure_root;

void pressure_open(bool wanted, const char *root)
{
    pressure_root = root;
    atomic_store_explicit(&pressure.off, !wanted, memory_order_relaxed);
    atomic_store_explicit(&pressure.high, false, memory_order_relaxed);
    atomic_store_explicit(&pressure.highs, 0, memory_order_relaxed);
    atomic_store_explicit(&pressure.allowance, 0, memory_order_relaxed);
    atomic_store_explicit(&pressure.looked, 0, memory_order_relaxed);
    atomic_flag_clear_explicit(&pressure.looking, memory_order_relaxed);
}

/* Bytes that may come before the next look. */
static int64_t pressure_step(uint64_t spare)
{
    uint64_t step = spare / LOOK_SHARE;
    step = step < STEP_MOST ? step : STEP_MOST;
    return (int64_t)(step > STEP_LEAST ? step : STEP_LEAST);
}

static bool pressure_read(int64_t *step)
{
    struct cgroup_room room;
    *step = STEP_MOST;
    if (cgroup_look(pressure_root, &room)) {
        uint64_t reserve = room.limit / RESERVE_SHARE;
        uint64_t spare = room.left > reserve ? room.left - reserve : 0;
        *step = pressure_step(spare);
        if (spare == 0) {
            return true;
        }
    }
    return cgroup_stall(pressure_root) >= STALL_HIGH;
}

/* What may be killed for opening a file is left alone for good. */
static bool pressure_may_open_files(void)
{
    bool may = !seal_is_shut();
    if (!may) {
        atomic_store_explicit(&pressure.off, true, memory_order_relaxed);
    }
    return may;
}

static void pressure_look(uint64_t now)
{
    if (atomic_flag_test_and_set_explicit(&pressure.looking, memory_order_acquire)) {
        return; /* somebody is at it */
    }
    int64_t step = INT64_MAX; /* where nothing may be opened: for good */
    bool high = pressure_may_open_files() && pressure_read(&step);
    if (high && !pressure_is_high()) {
        atomic_fetch_add_explicit(&pressure.highs, 1, memory_order_relaxed);
    }
    atomic_store_explicit(&pressure.high, high, memory_order_relaxed);
    atomic_store_explicit(&pressure.allowance, step, memory_order_relaxed);
    atomic_store_explicit(&pressure.looked, now, memory_order_relaxed);
    atomic_flag_clear_explicit(&pressure.looking, memory_order_release);
}

static bool pressure_is_off(void)
{
    return atomic_load_explicit(&pressure.off, memory_order_relaxed);
}

bool pressure_grow(uint64_t bytes)
{
    int64_t grown = (int64_t)bytes;
    if (!pressure_is_off() &&
        atomic_fetch_sub_explicit(&pressure.allowance, grown, memory_order_relaxed) <= grown) {
        pressure_look(clock_now());
    }
    return pressure_is_high();
}

bool pressure_tick(uint64_t now)
{
    uint64_t since = now - atomic_load_explicit(&pressure.looked, memory_order_relaxed);
    if (!pressure_is_off() && since >= (pressure_is_high() ? high_interval : interval)) {
        pressure_look(now);
    }
    return pressure_is_high();
}

void pressure_after_fork(void)
{
    atomic_flag_clear_explicit(&pressure.looking, memory_order_relaxed);
}
