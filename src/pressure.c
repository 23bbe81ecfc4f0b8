/* Whether memory is near its end: the control group's limit, or waiting for memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pressure.h"

#include <string.h>

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
    for (unsigned part = 0; part < PRESSURE_PARTS; part++) {
        atomic_store_explicit(&pressure.looked[part], 0, memory_order_relaxed);
        pressure.found[part] = false;
    }
    atomic_flag_clear_explicit(&pressure.looking, memory_order_relaxed);
}

/* Bytes that may come before the next look. */
static int64_t pressure_step(uint64_t spare)
{
    uint64_t step = spare / LOOK_SHARE;
    step = step < STEP_MOST ? step : STEP_MOST;
    return (int64_t)(step > STEP_LEAST ? step : STEP_LEAST);
}

static bool pressure_read_room(void)
{
    struct cgroup_room room;
    int64_t step = STEP_MOST;
    bool high = false;
    if (cgroup_look(pressure_root, &room)) {
        uint64_t reserve = room.limit / RESERVE_SHARE;
        uint64_t spare = room.left > reserve ? room.left - reserve : 0;
        step = pressure_step(spare);
        high = spare == 0;
    }
    atomic_store_explicit(&pressure.allowance, step, memory_order_relaxed);
    return high;
}

static bool pressure_read_stall(void)
{
    return cgroup_stall(pressure_root) >= STALL_HIGH;
}

static void pressure_read(enum pressure_part part)
{
    pressure.found[part] = part == PRESSURE_ROOM ? pressure_read_room() : pressure_read_stall();
}

/* What may be killed for opening a file is left alone for good. */
static void pressure_turn_off(void)
{
    atomic_store_explicit(&pressure.off, true, memory_order_relaxed);
    memset(pressure.found, 0, sizeof pressure.found);
}

static void pressure_look(enum pressure_part part, uint64_t now)
{
    if (atomic_flag_test_and_set_explicit(&pressure.looking, memory_order_acquire)) {
        return; /* somebody is at it */
    }
    if (seal_is_shut()) {
        pressure_turn_off();
    } else {
        pressure_read(part);
    }
    bool high = pressure.found[PRESSURE_ROOM] || pressure.found[PRESSURE_STALL];
    if (high && !pressure_is_high()) {
        atomic_fetch_add_explicit(&pressure.highs, 1, memory_order_relaxed);
    }
    atomic_store_explicit(&pressure.high, high, memory_order_relaxed);
    atomic_store_explicit(&pressure.looked[part], now, memory_order_relaxed);
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
        pressure_look(PRESSURE_ROOM, clock_now());
    }
    return pressure_is_high();
}

/* The one that was looked at longer ago. */
static enum pressure_part pressure_next(uint64_t *looked)
{
    uint64_t room = atomic_load_explicit(&pressure.looked[PRESSURE_ROOM], memory_order_relaxed);
    uint64_t stall = atomic_load_explicit(&pressure.looked[PRESSURE_STALL], memory_order_relaxed);
    *looked = room <= stall ? room : stall;
    return room <= stall ? PRESSURE_ROOM : PRESSURE_STALL;
}

bool pressure_tick(uint64_t now)
{
    uint64_t looked = 0;
    enum pressure_part part = pressure_next(&looked);
    uint64_t longest = pressure_is_high() ? high_interval : interval;
    if (!pressure_is_off() && now - looked >= longest) {
        pressure_look(part, now);
    }
    return pressure_is_high();
}

void pressure_after_fork(void)
{
    atomic_flag_clear_explicit(&pressure.looking, memory_order_relaxed);
}
