/* Runs the steps of start-up, of a fork, and of the end of the process, in their order. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "preload/init.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/bounds.h"
#include "base/text.h"
#include "config/choices.h"
#include "config/message.h"
#include "config/option.h"
#include "config/sources.h"
#include "memory/region.h"
#include "memory/reserve.h"
#include "os/frozen.h"
#include "os/os.h"
#include "os/os_process.h"
#include "os/os_processors.h"
#include "os/sandbox.h"
#include "percpu/percpu.h"
#include "pool/background.h"
#include "pool/in_use.h"
#include "pool/pool_sleep.h"
#include "pool/pressure.h"
#include "preload/adjust.h"
#include "preload/handler.h"
#include "route/fallback.h"
#include "route/packed.h"
#include "route/route.h"
#include "statistics/dump.h"
#include "statistics/dump_place.h"
#include "statistics/inspect_export.h"

/* The quota of each bucket, in slots, if SOCKMALLOC_TRAINING=0 keeps quotas from adapting, and if no profile (a file
 * with quotas) names the bucket. */
enum { FROZEN_QUOTA = 16 };

/*
 * Start-up tries to reserve a range of 2^SHIFT_MAX bytes of addresses, in which all slots lie. If there are too few
 * addresses, start-up halves the length of the range, down to 2^SHIFT_MIN bytes; a shorter range is not useful. A
 * reserved range takes up addresses but no memory, and only a small machine or an emulator has too few addresses.
 */
enum { SHIFT_MAX = 36, SHIFT_MIN = 24, EXIT_BAD_SETTING = 78 };

struct bucket_plan init_plan;

static bool init_notes_use(void)
{
    return options.number[OPTION_IN_USE] != 0;
}

/* Returns true if the kind of pool may use a cache for each processor. */
static bool init_uses_processors(void)
{
    enum kind kind = (enum kind)options.number[OPTION_POOL];
    return kind == KIND_CPU || kind == KIND_AUTO;
}

static size_t init_space(size_t range)
{
    size_t notes = init_notes_use() ? in_use_space(range) : 0;
    size_t percpu = init_uses_processors() ? percpu_space() : 0;
    return magazine_space() + cache_space() + percpu + notes + packed_space() + region_space(range);
}

/*
 * Returns the address at which the `space` bytes of addresses for the library should end: some MiB below the program,
 * where nothing is ever mapped. The program's address is known from AT_PHDR, the address of the program headers,
 * because these lie in the program's first page. Returns NULL for a program that is not position-independent, because
 * such a program lies too low.
 */
static char *init_wished_end(size_t space)
{
    enum { DISTANCE = 1 << 24, ALIGNMENT = 1 << 21 };
    uintptr_t program = (uintptr_t)getauxval(AT_PHDR);
    uintptr_t end = program > DISTANCE ? (program - DISTANCE) / ALIGNMENT * ALIGNMENT : 0;
    return end / 2 > space ? (char *)end : NULL;
}

static bool init_lay(size_t range)
{
    bool laid = magazine_lay();
    laid = cache_lay() && laid;
    laid = (!init_uses_processors() || percpu_lay()) && laid;
    laid = (!init_notes_use() || in_use_lay(range)) && laid;
    laid = packed_lay(&init_plan) && laid;
    laid = region_lay(&init_plan, range) && laid;
    if (!laid) {
        region_close();
        packed_unlay();
        in_use_unlay();
        percpu_unlay();
        cache_unlay();
        magazine_unlay();
    }
    return laid;
}

/*
 * Reserves addresses for the range of slots and for the tables, and maps the first page of each table. The range is the
 * longest one for which there are enough addresses. Returns false if there are too few even for the shortest range.
 */
static bool init_claim(void)
{
    for (unsigned shift = SHIFT_MAX; shift >= SHIFT_MIN; shift--) {
        size_t range = ((size_t)1 << shift) - ((size_t)1 << REGION_SHIFT);
        size_t space = init_space(range);
        if (reserve_open(space, init_wished_end(space)) && init_lay(range)) {
            return true;
        }
    }
    return false;
}

/*
 * Decides how to continue after a setting was refused and a message has said so: with SOCKMALLOC_STRICT, ends the
 * process; otherwise returns, and the program starts although the setting has no effect.
 */
static void init_go_on(void)
{
    if (options.number[OPTION_STRICT] != 0) {
        message_say(MESSAGE_STRICT);
        _exit(EXIT_BAD_SETTING);
    }
}

static void init_read_options(void)
{
    bool trusted = getauxval(AT_SECURE) == 0;
    bool sound = sources_open_own();
    option_read(&options, sources_lookup, trusted ? environ : NULL);
    sources_note(&options);
    if (!sound || options.faulty) {
        init_go_on();
    }
}

/*
 * Returns the number of processors from which the limits are computed: all processors of the machine if each of them
 * may get a cache, and otherwise only those that the process may use. The number of all processors is read from a file,
 * which takes 10 to 20 us.
 */
static unsigned init_processors(void)
{
    return init_uses_processors() ? os_processors() : os_usable_processors();
}

static void init_set_pools(struct pool_settings *settings)
{
    unsigned count = init_processors();
    const struct pool_limits limits = adjust_open(count);
    *settings = (struct pool_settings){
        .kind = (enum kind)options.number[OPTION_POOL],
        .crowd = (uint32_t)options.number[OPTION_AUTO_THREADS] * count,
        .free_list = (uint32_t)options.number[OPTION_FREE_LIST],
        .cache_limit = limits.cache,
        .retain_limit = limits.retain,
        .large_limit = limits.large,
        .decay = limits.decay,
        .adjustable = options.number[OPTION_CONTROL] != 0,
        .charge_limit = os_charge_limit(),
        .training = {.frozen = options.number[OPTION_TRAINING] == 0},
    };
    for (unsigned bucket = 0; settings->training.frozen && bucket < BUCKET_LIMIT; bucket++) {
        settings->training.first[bucket] = FROZEN_QUOTA;
    }
    training_recall(option_path(&options, OPTION_PROFILE), &init_plan, settings->training.first);
}

/*
 * Prepares the background thread. The thread checks four times within the decay time whether free slots have been
 * unused for so long that their pages must be purged. There is no thread if free slots may keep their pages forever.
 */
static void init_open_background(void)
{
    enum { LOOKS = 4, NANOSECONDS_A_MILLISECOND = 1000000, NAP_LEAST = 10 };
    uint64_t age = options.number[OPTION_DECAY_MS];
    bool wanted = options.number[OPTION_BACKGROUND] != 0 && age != SETTING_NONE;
    uint64_t nap = GREATER(age / LOOKS, NAP_LEAST);
    background_creator *create = (background_creator *)dlsym(RTLD_NEXT, "pthread_create");
    background_open(wanted, nap * NANOSECONDS_A_MILLISECOND, pool_decay_step, create);
}

static void init_open_pools(void)
{
    struct bucket_settings settings = {
        .minimum = options.number[OPTION_MIN],
        .maximum = options.number[OPTION_MAX],
        .large = options.number[OPTION_LARGE],
        .headroom = options.number[OPTION_HEADROOM],
        .page = os_page_size(),
    };
    bucket_plan_make(&init_plan, &settings, NULL);
    if (!bucket_map_is_usual(&init_plan)) {
        bucket_map_make(&init_plan, route.line);
    }
    if (!init_claim()) {
        message_say(MESSAGE_NO_RESERVATION);
        return;
    }
    pressure_open(options.number[OPTION_PRESSURE] != 0, "");
    struct pool_settings kinds;
    init_set_pools(&kinds);
    if (kinds.charge_limit != SIZE_MAX) {
        fallback_expect_refusals();
    }
    init_open_background();
    if (!pool_open(&init_plan, &kinds)) {
        message_say(MESSAGE_NO_PROCESSORS);
        init_go_on();
        options.number[OPTION_POOL] = KIND_THREAD;
        options.source[OPTION_POOL] = OPTION_DEFAULT; /* because thread is the default */
    }
    region_choose_huge(options.number[OPTION_THP] == HUGE_ALWAYS);
    route_publish(&init_plan);
}

/* Opens message pages for the request sizes that SOCKMALLOC_MESSAGE names, if it is set and the pools are on. */
static void init_open_messages(void)
{
    uint64_t range = options.number[OPTION_MESSAGE];
    if (range == SETTING_NONE || options.number[OPTION_DISABLE] != 0) {
        return;
    }
    if (!route_open_messages(setting_range_low(range), setting_range_high(range), os_charge_limit())) {
        char buffer[32];
        struct text text = text_begin(buffer, sizeof buffer);
        option_print(&options, OPTION_MESSAGE, &text);
        message_say(MESSAGE_NO_MESSAGE_PAGES, buffer);
    }
}

static void init_echo(void)
{
    char buffer[OPTION_ECHO_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    option_print_all(&options, &text);
    message_say(MESSAGE_CONFIGURATION, buffer);
}

/* Returns how many bytes `options` and `region` take together if they lie next to each other in this order, as
 * FROZEN_OBJECT arranges. Returns 0 if they do not. Start-up writes these objects and then makes them read-only. */
static size_t init_frozen_size(void)
{
    const char *first = (const char *)&options;
    const char *second = (const char *)&region;
    return second == first + sizeof options ? sizeof options + sizeof region : 0;
}

/*
 * Makes the data that every call depends on read-only. A stray or hostile write to them then ends in a fault at once,
 * and cannot make malloc return a wrong block. If the kernel refuses, the data stay writable, and the library works as
 * usual.
 */
static void init_freeze(void)
{
    frozen_add(&route, sizeof route);
    if (init_frozen_size() != 0) {
        frozen_add(&options, init_frozen_size());
        return;
    }
    frozen_add(&options, sizeof options);
    frozen_add(&region, sizeof region);
}

/*
 * Runs in the parent before a fork. With SOCKMALLOC_FORK_TRIM it purges free slots first. Otherwise the parent would
 * soon allocate them and write to them, the kernel would copy each of their pages, and the child would keep the old
 * pages, whose content nobody needs. Instead of a page fault that copies a page, the parent then has one that fills a
 * page with zeros.
 */
static void init_before_fork(void)
{
    fallback_before_fork();
    pool_before_fork();
    if (region_is_laid() && options.number[OPTION_FORK_TRIM] != 0) {
        pool_recover_due();
        pool_drain();
        pool_trim(SIZE_MAX);
    }
    region_hold();
}

static void init_after_fork(void)
{
    region_release();
    sandbox_after_fork();
    frozen_after_fork();
    if (region_is_laid()) {
        pool_atfork_child();
        pool_sleep_after_fork();
        packed_after_fork();
        background_after_fork();
    }
    fallback_after_fork();
    dump_after_fork();
    handler_after_fork();
}

/*
 * Start-up. It runs before main and before the constructors of the program, and after those of mimalloc. Other
 * preloaded libraries may call malloc in earlier constructors; such calls go to mimalloc, because the pools are not
 * open yet. The order of the steps is:
 *
 *  1. message: remember stderr and the program's name, so that the later steps can print messages.
 *  2. sandbox: find out whether a seccomp filter is in force, which decides on system calls later.
 *  3. os: test whether the kernel really discards pages.
 *  4. fallback: prepare mimalloc, and note where libc's heap begins.
 *  5. options: read the settings; SOCKMALLOC_STRICT ends the process here if one is wrong.
 *  6. dump: choose the place for statistics, and remember the address of the plan of the buckets. Step 8 makes the
 *     plan at this address.
 *  7. route: choose whether small requests are counted.
 *  8. pools: plan the buckets, reserve addresses, open the pools, and publish them. From here on malloc returns slots.
 *  9. route: learn where mimalloc has its memory, and open message pages elsewhere.
 * 10. fork handlers: registered after publication, because registration may allocate.
 * 11. handler: take the stats signal over. It needs everything that a dump needs.
 * 12. message: print the settings, with SOCKMALLOC_VERBOSE.
 * 13. inspect_export: let other processes read the figures.
 * 14. freeze: make settings, regions and route read-only. It comes last, because the steps before write them.
 */
__attribute__((constructor)) static void init(void)
{
    message_open();
    sandbox_open();
    os_try_discard(&options);
    fallback_open();
    init_read_options();
    dump_place_open(secure_getenv);
    dump_open(&init_plan);
    route_watch_small(options.number[OPTION_SAMPLE_SMALL] != 0);
    if (options.number[OPTION_DISABLE] == 0) {
        init_open_pools();
    }
    route_open();
    init_open_messages();
    pthread_atfork(init_before_fork, region_release, init_after_fork);
    handler_open((int)options.number[OPTION_SIGNAL]);
    if (options.number[OPTION_VERBOSE] != 0) {
        init_echo();
    }
    inspect_export_open(&init_plan);
    init_freeze();
}

/*
 * Runs at the end of the process. It writes nothing behind a seccomp filter that the program has set, because the
 * filter may forbid the system calls that statistics need.
 */
__attribute__((destructor)) static void init_end(void)
{
    if (!sandbox_allows(SANDBOX_COMMON)) {
        return;
    }
    if (options.number[OPTION_STATS_AT_EXIT] != 0) {
        dump_somewhere();
    } else {
        dump_in_use_somewhere();
    }
    training_record();
}
