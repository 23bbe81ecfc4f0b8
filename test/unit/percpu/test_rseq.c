/* Tests of percpu/rseq.h, restartable sequences of instructions that the kernel aborts if the thread is moved to
 * another processor: each operation alone, interrupted after each of its instructions, and run by several threads. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "percpu/rseq.h"
#include "support/crew.h"
#include "support/steps.h"

/* the offsets in bytes of two words in a processor's record, the memory in which the operations work on this processor;
 * the test would work with any other offsets */
enum { TOP = 0xc40, COUNTER = 0x88 };
enum { RECORDS = 3, RECORDS_MAX = 1024, THREADS = 16, TOKENS = 32, HANDLER = 1000, ROUNDS = 3000000 };
enum { ALL = MAGAZINE_SLOTS * sizeof(void *) };

static _Alignas(RSEQ_RECORD) char records[RECORDS_MAX][RSEQ_RECORD];
static struct rseq_table table = {.records = records[0], .count = RECORDS};
static struct magazine magazines[RECORDS_MAX + THREADS];

/* A token that the tests push to a magazine and pop, in place of a slot. */
static struct token {
    _Atomic unsigned holder;
    unsigned uses; /* only the thread that has popped the token changes this */
} tokens[TOKENS];

/* In this test the library uses this variable in place of the area in which the kernel writes the number of the
 * thread's processor. So the test can write any number there. */
static _Thread_local struct rseq_area pretended;

#ifdef __x86_64__
static char *thread_pointer(void)
{
    char *self;
    __asm__("movq %%fs:0, %0" : "=r"(self));
    return self;
}
#else
static char *thread_pointer(void)
{
    return __builtin_thread_pointer();
}
#endif

static void pretend(uint32_t number)
{
    if (!RSEQ_IS_KNOWN) {
        cr_skip("no instructions for restartable sequences on this machine");
    }
    pretended.number = number;
    table.area = (char *)&pretended - thread_pointer();
}

static void **top_of(unsigned number)
{
    void **top;
    memcpy(&top, records[number] + TOP, sizeof top);
    return top;
}

static uint64_t counter_of(unsigned number)
{
    uint64_t count;
    memcpy(&count, records[number] + COUNTER, sizeof count);
    return count;
}

/* Gives the processor `number` a magazine with `count` tokens, from token `first` on, with the last one on top. */
static void equip(unsigned number, struct magazine *magazine, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        magazine->slot[i] = &tokens[first + i];
    }
    void **top = magazine->slot + count;
    memcpy(records[number] + TOP, &top, sizeof top);
}

Test(rseq, pop_takes_the_top_until_it_is_empty)
{
    pretend(1);
    cr_assert_null(rseq_pop(&table, TOP), "no magazine");
    equip(1, &magazines[0], 0, MAGAZINE_SLOTS / 2);
    for (unsigned left = MAGAZINE_SLOTS / 2; left > 0; left--) {
        cr_assert_eq(rseq_pop(&table, TOP), &tokens[left - 1]);
        cr_assert_eq(top_of(1), magazines[0].slot + left - 1);
    }
    cr_assert_null(rseq_pop(&table, TOP));
    cr_assert_null(rseq_pop(&table, TOP), "a second call fails as well");
    cr_assert_eq(top_of(1), magazines[0].slot);
}

Test(rseq, push_puts_on_top_until_the_limit)
{
    pretend(1);
    cr_assert_not(rseq_push(&table, TOP, tokens, ALL), "no magazine");
    equip(1, &magazines[0], 0, 0);
    cr_assert_not(rseq_push(&table, TOP, tokens, 0));
    for (unsigned i = 0; i < MAGAZINE_SLOTS; i++) {
        uint32_t limit = (i + 1) * (uint32_t)sizeof(void *);
        cr_assert(rseq_push(&table, TOP, &tokens[i % TOKENS], limit));
        cr_assert_eq(top_of(1), magazines[0].slot + i + 1);
        cr_assert_eq(magazines[0].slot[i], &tokens[i % TOKENS]);
        cr_assert_not(rseq_push(&table, TOP, tokens, limit));
        cr_assert_not(rseq_push(&table, TOP, tokens, limit / 2), "the push fails above a lower limit, too");
        cr_assert_eq(top_of(1), magazines[0].slot + i + 1);
    }
    cr_assert_eq(rseq_pop(&table, TOP), &tokens[(MAGAZINE_SLOTS - 1) % TOKENS]);
}

Test(rseq, swap_replaces_only_the_expected_top)
{
    void **top = magazines[0].slot + 3;
    pretend(1);
    cr_assert_not(rseq_swap(&table, TOP, magazines[0].slot, top));
    cr_assert_null(top_of(1));
    equip(0, &magazines[0], 0, 2);
    cr_assert_not(rseq_swap(&table, TOP, top_of(0), NULL), "the magazine belongs to another processor");
    equip(1, &magazines[1], 2, 3);
    void **old = top_of(1);
    cr_assert_not(rseq_swap(&table, TOP, NULL, magazines[2].slot));
    cr_assert_not(rseq_swap(&table, TOP, old - 1, magazines[2].slot));
    cr_assert_eq(top_of(1), old);
    cr_assert(rseq_swap(&table, TOP, old, magazines[2].slot));
    cr_assert_eq(top_of(1), magazines[2].slot);
    cr_assert_not(rseq_swap(&table, TOP, old, magazines[2].slot), "the magazine belongs to another thread now");
    cr_assert(rseq_swap(&table, TOP, magazines[2].slot, NULL));
    cr_assert(rseq_swap(&table, TOP, NULL, old));
    cr_assert_eq(rseq_pop(&table, TOP), &tokens[4]);
    cr_assert_eq(top_of(0), magazines[0].slot + 2);
}

/* Runs each operation with each number of a processor. The operation may change only the record of this processor, and
 * in that record only the words that it is meant to change. */
Test(rseq, number_chooses_the_record)
{
    static char before[RECORDS][RSEQ_RECORD];
    void **top;
    memset(records, 0x5a, sizeof records);
    for (unsigned number = 0; number < RECORDS; number++) {
        pretend(number);
        equip(number, &magazines[number], number, 2);
        memcpy(before, records, sizeof before);
        uint64_t count = counter_of(number);
        cr_assert(rseq_add(&table, COUNTER, UINT64_C(0x123456789)));
        cr_assert(rseq_add(&table, COUNTER, 1));
        cr_assert_eq(counter_of(number), count + UINT64_C(0x12345678a));
        cr_assert_eq(rseq_pop(&table, TOP), &tokens[number + 1]);
        cr_assert(rseq_push(&table, TOP, &tokens[9], ALL));
        cr_assert(rseq_peek(&table, TOP, &top));
        cr_assert_eq(top, top_of(number));
        cr_assert(rseq_swap(&table, TOP, top, NULL));
        memcpy(before[number] + COUNTER, records[number] + COUNTER, sizeof(uint64_t));
        memset(before[number] + TOP, 0, sizeof(void *));
        cr_assert_eq(memcmp(before, records, sizeof before), 0, "record %u", number);
    }
}

static void expect_nothing_done(uint32_t number)
{
    static char before[sizeof records];
    void **top;
    pretend(number);
    memcpy(before, records, sizeof before);
    cr_assert_null(rseq_pop(&table, TOP));
    cr_assert_not(rseq_push(&table, TOP, tokens, ALL));
    cr_assert_not(rseq_swap(&table, TOP, top_of(0), NULL));
    cr_assert_not(rseq_swap(&table, TOP, NULL, NULL));
    cr_assert_not(rseq_add(&table, COUNTER, 1));
    cr_assert_not(rseq_peek(&table, TOP, &top));
    cr_assert_eq(memcmp(before, records, sizeof before), 0, "number %u", number);
}

/* The operations do nothing if the table has no record for the processor's number. That is so for a processor that was
 * added after start, and for the two values by which the kernel says that there is no number. */
Test(rseq, nothing_happens_beyond_the_table)
{
    for (unsigned i = 0; i < RECORDS + 1; i++) {
        equip(i, &magazines[i], 2 * i, 2);
    }
    expect_nothing_done(RECORDS);
    expect_nothing_done(RECORDS + 1);
    expect_nothing_done((uint32_t)-1);
    expect_nothing_done((uint32_t)-2);
    table.count = 0;
    expect_nothing_done(0);
}

Test(rseq, area_is_that_of_glibc)
{
    if (rseq_available()) {
        table.area = rseq_area_offset();
        uint32_t number = rseq_run_number(table.area);
        cr_assert_lt(number, (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
        return;
    }
    cr_skip("glibc or kernel without restartable sequences");
}

/* --- stopped at each instruction ---
 * At one instruction of the operation a signal handler does what the kernel does with a thread that it continues,
 * then runs another thread's operation, and then lets the first one go on, perhaps on another processor. Afterwards
 * each token must be in exactly one place. This is repeated for each instruction. */
#if defined(__x86_64__) && !defined(__ILP32__)
enum { SIGNATURE = 0x53053053, WORLD = 7 };

static struct actor {
    /* An actor stands for one of two threads. This is the token that the actor is to push; NULL after the push. */
    struct token *given;
    struct token *got;
    void **top; /* the top of the magazine that only this actor uses, and not the other one */
} me, them;

typedef void operation(struct actor *actor);
static operation *mine, *meanwhile;
static uint32_t goes_on_at;
static unsigned aborts;
static uint64_t counts;

static void pop(struct actor *actor)
{
    actor->got = rseq_pop(&table, TOP);
}

static void push(struct actor *actor)
{
    actor->given = rseq_push(&table, TOP, actor->given, ALL) ? NULL : actor->given;
}

static void swap(struct actor *actor)
{
    void **top;
    if (rseq_peek(&table, TOP, &top) && rseq_swap(&table, TOP, top, actor->top)) {
        actor->top = top;
    }
}

static void add(struct actor *actor)
{
    (void)actor;
    counts += rseq_add(&table, COUNTER, 1);
}

static void go_on_as_the_kernel_does(greg_t *next)
{
    const struct rseq_descriptor *sequence = (const void *)(uintptr_t)pretended.descriptor;
    pretended.descriptor = 0;
    if (sequence != NULL && (uint64_t)*next - sequence->start < sequence->length) {
        uint32_t signature;
        memcpy(&signature, (const char *)(uintptr_t)sequence->abort - 4, sizeof signature);
        CHECK(signature == SIGNATURE);
        CHECK(sequence->version == 0 && sequence->flags == 0);
        CHECK(sequence->abort - sequence->start >= sequence->length);
        *next = (greg_t)sequence->abort;
        aborts++;
    }
}

static void go_on_elsewhere(void *context)
{
    go_on_as_the_kernel_does(&((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP]);
    meanwhile(&them);
    pretended.number = goes_on_at;
}

static void do_mine(void)
{
    mine(&me);
}

static unsigned places(const struct token *token)
{
    void **const tops[] = {top_of(0), top_of(1), me.top, them.top};
    struct token *const hands[] = {me.given, me.got, them.given, them.got};
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof hands / sizeof hands[0]; i++) {
        count += hands[i] == token;
    }
    for (unsigned i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        for (void **slot = rseq_magazine(tops[i])->slot; slot < tops[i]; slot++) {
            count += *slot == token;
        }
    }
    return count;
}

/* Runs the operation, interrupts it after instruction `at`, and checks all tokens afterwards. Returns false if the
 * operation has fewer instructions. */
static bool run_stopped(unsigned at)
{
    memset(records, 0, RECORDS * sizeof records[0]);
    equip(0, &magazines[0], 0, 2);
    equip(1, &magazines[1], 2, 2);
    me = (struct actor){.given = &tokens[4], .top = magazines[2].slot + 1};
    them = (struct actor){.given = &tokens[5], .top = magazines[3].slot};
    magazines[2].slot[0] = &tokens[6];
    counts = 0;
    pretend(0);
    bool stopped = steps_run(at, do_mine, go_on_elsewhere);
    for (unsigned i = 0; i < WORLD; i++) {
        unsigned count = places(&tokens[i]);
        cr_assert_eq(count, 1, "stopped after %u steps: token %u is in %u places", at, i, count);
    }
    cr_assert_eq(counter_of(0) + counter_of(1), counts, "stopped after %u steps", at);
    cr_assert_null(crew_fault(), "%s", crew_fault());
    return stopped;
}

Test(rseq, operation_stopped_anywhere_is_done_once)
{
    operation *const operations[] = {pop, push, swap, add};
    const uint32_t numbers[] = {0, 1, RECORDS};
    for (unsigned tried = 0; tried < 4; tried++) {
        for (unsigned i = 0; i < 4 * 3; i++) {
            mine = operations[tried];
            meanwhile = operations[i / 3];
            goes_on_at = numbers[i % 3];
            aborts = 0;
            unsigned at = 1;
            while (run_stopped(at)) {
                at++;
            }
            cr_assert_geq(aborts, 5U, "each operation has at least five instructions in its sequence");
        }
    }
}
#else
Test(rseq, operation_stopped_anywhere_is_done_once)
{
    steps_need();
}
#endif

/* --- by threads that the kernel interrupts, by itself and for a timer's signals --- */

static _Atomic uint64_t added, signals;
static sigset_t alarms;
static void **owned[THREADS];

static void use(struct token *token, unsigned holder)
{
    CHECK(atomic_exchange_explicit(&token->holder, holder, memory_order_relaxed) == 0);
    token->uses++;
}

static void unuse(struct token *token, unsigned holder)
{
    CHECK(atomic_exchange_explicit(&token->holder, 0, memory_order_relaxed) == holder);
}

/* Exchanges the thread's own magazine for that of the processor. The tokens in the magazine that the thread gets then
 * belong to this thread alone. */
static void exchange(unsigned number)
{
    void **top = NULL;
    if (!CHECK(rseq_peek(&table, TOP, &top)) || !rseq_swap(&table, TOP, top, owned[number])) {
        return;
    }
    owned[number] = top;
    for (void **slot = rseq_magazine(top)->slot; slot < top; slot++) {
        use(*slot, number + 1);
        unuse(*slot, number + 1);
    }
}

/* The token that the signal handler has popped and will push at the next signal. So each signal changes the top of the
 * processor's magazine. */
static _Thread_local struct token *kept;

static void take_or_give(int signal_number)
{
    if (kept != NULL) {
        unuse(kept, HANDLER);
        CHECK(rseq_push(&table, TOP, kept, ALL));
        kept = NULL;
    } else if (signal_number != 0) {
        kept = rseq_pop(&table, TOP);
        if (kept != NULL) {
            use(kept, HANDLER);
        }
    }
    atomic_fetch_add(&added, rseq_add(&table, COUNTER, 1));
    atomic_fetch_add(&signals, signal_number != 0);
}

static void pop_push_and_exchange(unsigned number)
{
    uint64_t random = number + 1;
    uint64_t adds = 0;
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct token *token = rseq_pop(&table, TOP);
        if (token != NULL) {
            use(token, number + 1);
        }
        adds += rseq_add(&table, COUNTER, 3) ? 3 : 0;
        if (crew_random(&random) % 8 == 0) {
            exchange(number);
        }
        if (token != NULL) {
            unuse(token, number + 1);
            CHECK(rseq_push(&table, TOP, token, ALL));
        }
    }
    atomic_fetch_add(&added, adds);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    take_or_give(0);
}

static unsigned found[TOKENS];
static void find(void **top)
{
    for (void **slot = rseq_magazine(top)->slot; slot < top; slot++) {
        found[(struct token *)*slot - tokens]++;
    }
}

Test(rseq, no_slot_has_two_owners_and_no_count_is_lost, .timeout = 120)
{
    if (!rseq_available()) {
        cr_skip("glibc or kernel without restartable sequences");
    }
    table.area = rseq_area_offset();
    unsigned processors = (unsigned)sysconf(_SC_NPROCESSORS_CONF);
    cr_assert_leq(processors, (unsigned)RECORDS_MAX, "this test has too few records");
    table.count = processors;
    for (unsigned i = 0; i < processors; i++) {
        equip(i, &magazines[i], 0, i == 0 ? TOKENS : 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        owned[i] = magazines[RECORDS_MAX + i].slot;
    }
    /* This thread blocks the signal, so only the threads that crew_run starts get it. */
    const struct itimerval often = {{.tv_usec = 50}, {.tv_usec = 50}};
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    signal(SIGALRM, take_or_give);
    cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    unsigned runs = 0;
    do { /* repeats until enough signals have arrived, because the kernel decides how many arrive in one run */
        crew_run(THREADS, pop_push_and_exchange);
        runs++;
    } while (signals <= 100);
    uint64_t counted = 0;
    for (unsigned i = 0; i < processors; i++) {
        counted += counter_of(i);
        find(top_of(i));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        find(owned[i]);
    }
    for (unsigned i = 0; i < TOKENS; i++) {
        cr_assert_eq(found[i], 1, "token %u is in %u magazines", i, found[i]);
    }
    cr_assert_eq(added, runs * ((uint64_t)3 * THREADS * ROUNDS + THREADS) + signals);
    cr_assert_eq(counted, added);
}
