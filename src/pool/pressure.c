/* Measures whether memory is nearly used up: by the limit of the control group, and by the time in which processes wait
 * for memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/pressure.h"

#include <string.h>

#include "base/bounds.h"
#include "base/clock.h"
#include "os/cgroup.h"
#include "os/sandbox.h"

/*
 * The pressure is high when less than an eighth of the control group's limit is left. It is also high when some process
 * waited for memory during a tenth of the last ten seconds or more (STALL_HIGH, in hundredths of a percent). If more
 * than an eighth is left, this process may use a quarter (LOOK_SHARE) of the bytes beyond that eighth before the limit
 * is read again, but at least STEP_LEAST and at most STEP_MOST bytes.
 */
enum { RESERVE_SHARE = 8, STALL_HIGH = 1000, LOOK_SHARE = 4 };
enum { STEP_LEAST = 256 << 10, STEP_MOST = 64 << 20 };

/* The nanoseconds until the next reading of the control group's limit: pause_high if the pressure is high,
 * pause_limited if it is not high and there is a limit, and pause_unlimited if there is no limit. */
static const uint64_t pause_high = 20 * UINT64_C(1000000);
static const uint64_t pause_limited = 200 * UINT64_C(1000000);
static const uint64_t pause_unlimited = 5000 * UINT64_C(1000000);
/* the nanoseconds between two readings of the share of time in which processes waited for memory
 * (/proc/pressure/memory); the kernel updates this average at this interval */
static const uint64_t pause_stall = 2000 * UINT64_C(1000000);

struct pressure pressure = {.off = true, .looking = ATOMIC_FLAG_INIT};
static const char *pressure_root;

/* The search for the control group's limit that pressure_tick runs, one step in each call. */
static struct cgroup_search search;
static bool searching;

COLD void pressure_open(bool wanted, const char *root)
{
    pressure_root = root;
    atomic_store_explicit(&pressure.off, !wanted, memory_order_relaxed);
    atomic_store_explicit(&pressure.high, false, memory_order_relaxed);
    atomic_store_explicit(&pressure.highs, 0, memory_order_relaxed);
    atomic_store_explicit(&pressure.allowance, 0, memory_order_relaxed);
    searching = false;
    for (unsigned part = 0; part < PRESSURE_PARTS; part++) {
        atomic_store_explicit(&pressure.due[part], 0, memory_order_relaxed);
        pressure.found[part] = false;
    }
    atomic_flag_clear_explicit(&pressure.looking, memory_order_relaxed);
}

/* Returns how many bytes may get pages before the limit is read again. `spare` is how many more bytes the control group
 * could use before the pressure would be high. */
static int64_t pressure_step(uint64_t spare)
{
    uint64_t step = spare / LOOK_SHARE;
    step = LESSER(step, STEP_MOST);
    return (int64_t)GREATER(step, STEP_LEAST);
}

/* Decides by a finished search for the control group's limit whether the pressure is high, and when the next search is
 * due. */
static void pressure_judge_room(const struct cgroup_search *done, uint64_t now)
{
    uint64_t pause = pause_unlimited;
    int64_t step = STEP_MOST;
    bool high = false;
    if (done->found) {
        uint64_t reserve = done->room.limit / RESERVE_SHARE;
        uint64_t spare = EXCESS(done->room.left, reserve);
        step = pressure_step(spare);
        high = spare == 0;
        pause = high ? pause_high : pause_limited;
    }
    atomic_store_explicit(&pressure.allowance, step, memory_order_relaxed);
    atomic_store_explicit(&pressure.due[PRESSURE_ROOM], now + pause, memory_order_relaxed);
    pressure.found[PRESSURE_ROOM] = high;
}

/* Searches for the control group's limit, from beginning to end, and reads it, because the caller is about to use
 * memory. */
static void pressure_read_room(uint64_t now)
{
    struct cgroup_search whole;
    cgroup_look(&whole, pressure_root);
    pressure_judge_room(&whole, now);
    searching = false;
}

/* Runs one step of the search for the control group's limit. As long as the search is not finished, the next step is
 * due at the next call. */
static void pressure_search_room(uint64_t now)
{
    if (!searching) {
        cgroup_begin(&search, pressure_root);
    }
    searching = cgroup_step(&search);
    if (!searching) {
        pressure_judge_room(&search, now);
    }
}

static void pressure_read_stall(uint64_t now)
{
    pressure.found[PRESSURE_STALL] = cgroup_stall(pressure_root) >= STALL_HIGH;
    atomic_store_explicit(&pressure.due[PRESSURE_STALL], now + pause_stall, memory_order_relaxed);
}

/* Stops measuring for good, because a seccomp filter of the program might kill the process when it opens a file. */
static void pressure_turn_off(void)
{
    atomic_store_explicit(&pressure.off, true, memory_order_relaxed);
    memset(pressure.found, 0, sizeof pressure.found);
}

static void pressure_look(void (*read)(uint64_t now), uint64_t now)
{
    if (atomic_flag_test_and_set_explicit(&pressure.looking, memory_order_acquire)) {
        return; /* another thread is measuring */
    }
    if (!sandbox_allows(SANDBOX_COMMON)) {
        pressure_turn_off();
    } else {
        read(now);
    }
    bool high = pressure.found[PRESSURE_ROOM] || pressure.found[PRESSURE_STALL];
    if (high && !pressure_is_high()) {
        atomic_fetch_add_explicit(&pressure.highs, 1, memory_order_relaxed);
    }
    atomic_store_explicit(&pressure.high, high, memory_order_relaxed);
    atomic_flag_clear_explicit(&pressure.looking, memory_order_release);
}

static bool pressure_is_off(void)
{
    return atomic_load_explicit(&pressure.off, memory_order_relaxed);
}

bool pressure_grow(uint64_t bytes)
{
    int64_t grown = (int64_t)bytes;
    if (!pressure_is_off() && atomic_fetch_sub_explicit(&pressure.allowance, grown, memory_order_relaxed) <= grown) {
        pressure_look(pressure_read_room, clock_now());
    }
    return pressure_is_high();
}

bool pressure_tick(uint64_t now)
{
    uint64_t room = atomic_load_explicit(&pressure.due[PRESSURE_ROOM], memory_order_relaxed);
    uint64_t stall = atomic_load_explicit(&pressure.due[PRESSURE_STALL], memory_order_relaxed);
    if (!pressure_is_off() && now >= LESSER(room, stall)) {
        pressure_look(room <= stall ? pressure_search_room : pressure_read_stall, now);
    }
    return pressure_is_high();
}

/* Resets the search for the limit, which the fork may have interrupted, so that it begins from its start. */
void pressure_after_fork(void)
{
    searching = false;
    atomic_flag_clear_explicit(&pressure.looking, memory_order_relaxed);
}
