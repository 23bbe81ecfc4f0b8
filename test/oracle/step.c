/* Does one step of a run: chooses a call at random, makes it, and compares the result with what the table of calls and
 * the model demand. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffers.h"
#include "calls.h"
#include "fault.h"
#include "slack.h"

enum {
    /*
     * in bytes: if the blocks of a shelf would be larger than SHELF_BYTES together, the new request is reduced to less
     * than LITTLE
     */
    LITTLE = 4096,
    TEXT_MAX = 20000,
    RUSH_BLOCKS = 24,
    RUSH_TURNS = 200,
    SHELF_BYTES = 12 << 20,
    ERRNO_BEFORE = 4321 /* errno is set to this value before a call; no call sets it to this value */
};

/* a size in bytes that no block can have, because a process has only 2^47 bytes of addresses */
static const size_t impossible = (size_t)1 << 47;

/* Holds one long string. A call that needs a string gets the end of this long string, with as many characters as the
 * call needs. */
static char text[TEXT_MAX + 1];

void step_open(void)
{
    for (size_t i = 0; i < TEXT_MAX; i++) {
        text[i] = (char)('!' + i * 7 % 90);
    }
}

static const char *step_text(size_t length)
{
    return text + TEXT_MAX - length;
}

/*
 * Returns the alignment that is passed to the call, or that its result must have. For a call that takes an alignment,
 * this is a random one; if the row passes an illegal alignment on purpose, a random illegal one. For other calls it is
 * the size of a page, or 0 if they need no special alignment.
 */
static size_t step_alignment(const struct operation *operation, struct draw *draw)
{
    if ((operation->flags & CALL_ALIGNED) != 0) {
        size_t alignment = draw_alignment(draw);
        return alignment < impossible || (operation->flags & CALL_THROWS) == 0 ? alignment : LITTLE;
    }
    if ((operation->flags & CALL_BAD_ALIGNMENT) != 0) {
        return draw_bad_alignment(draw);
    }
    return (operation->flags & CALL_PAGE) != 0 ? (size_t)getpagesize() : 0;
}

static size_t step_request(const struct operation *operation, struct draw *draw, size_t alignment, bool is_huge)
{
    if (is_huge) {
        return draw_huge(draw);
    }
    if ((operation->flags & CALL_ALIGNED) != 0 && alignment < impossible && draw_one_in(draw, 2)) {
        return alignment * (draw_one_in(draw, 4) ? draw_below(draw, 4) : 1);
    }
    return operation->role == ROLE_RESIZE && draw_one_in(draw, 16) ? 0 : draw_size(draw);
}

static struct call step_draw(const struct operation *operation, struct draw *draw, const struct shelf *shelf)
{
    unsigned flags = operation->flags;
    struct call call = {.alignment = step_alignment(operation, draw)};
    /* A call with two errors could report either of them, so the test makes at most one error in each call. */
    bool is_huge = draw_one_in(draw, 40) && (flags & (CALL_TEXT | CALL_THROWS | CALL_BAD_ALIGNMENT)) == 0;
    call.request = step_request(operation, draw, call.alignment, is_huge);
    if (!is_huge && shelf->bytes + call.request > SHELF_BYTES) {
        call.request %= LITTLE;
    }
    if ((flags & CALL_ARRAY) != 0) {
        call.array = is_huge && draw_one_in(draw, 2) ? draw_overflow(draw) : draw_array(draw, call.request);
        call.request = call.array.count * call.array.width;
    }
    if ((flags & CALL_TEXT) != 0) {
        call.request %= TEXT_MAX / 2;
        call.text = step_text(call.request + ((flags & CALL_LIMIT) != 0 ? draw_below(draw, 100) : 0));
    }
    return call;
}

/* Returns the error number with which the call must fail, or 0 if it must succeed. */
static int step_error(const struct operation *operation, const struct call *call)
{
    size_t product;
    if ((operation->flags & CALL_BAD_ALIGNMENT) != 0) {
        return EINVAL;
    }
    if (__builtin_mul_overflow(call->array.count, call->array.width, &product)) {
        return (operation->flags & CALL_CODE) != 0 ? EOVERFLOW : ENOMEM;
    }
    return call->request >= impossible || call->alignment >= impossible ? ENOMEM : 0;
}

/* Returns true if the call may change errno. POSIX allows a call that succeeds to do so. glibc's malloc changes errno
 * when it cannot extend the heap; sockmalloc's malloc never changes errno when it succeeds. */
static bool step_errno_is_open(const struct operation *operation, int error)
{
    bool allocates = operation->role == ROLE_TAKE || operation->role == ROLE_RESIZE;
    return (operation->flags & CALL_ERRNO_OPEN) != 0 || (error == 0 && allocates && !calls_are_sockmalloc());
}

/* Makes the call. Checks that it fails with `error`, or succeeds if `error` is 0, and that errno is as it must be. */
static void step_perform(const struct operation *operation, struct call *call, int error)
{
    place.call = operation->name;
    errno = ERRNO_BEFORE;
    operation->perform(call);
    int seen = errno;
    bool has_code = (operation->flags & CALL_CODE) != 0;
    if (has_code && call->code != error) {
        fault_die("returned %d and not %d (request %zu, alignment %zu)", call->code, error, call->request,
                  call->alignment);
    }
    if ((operation->flags & CALL_LENIENT) != 0 && call->address != NULL) {
        return;
    }
    int due = error != 0 && !has_code ? error : ERRNO_BEFORE;
    if (!step_errno_is_open(operation, error) && seen != due) {
        fault_die("left errno at %d, not at %d (%s), and returned %p (request %zu, alignment %zu)", seen, due,
                  due == ERRNO_BEFORE ? "as it was" : "the error's", call->address, call->request, call->alignment);
    }
}

/*
 * Checks the block that the call has returned, and stores it in `block`, a place of the shelf. Until then `block`
 * describes the block that was resized, or is empty. The first `kept` bytes of the returned block must be those of the
 * resized block.
 */
static void step_accept(const struct operation *operation, const struct call *call, struct shelf *shelf,
                        struct block *block, size_t kept, struct draw *draw)
{
    struct block new = {.address = call->address,
                        .request = call->request,
                        .alignment = call->alignment,
                        .origin = operation->role == ROLE_TAKE ? operation->origin : ORIGIN_MALLOC,
                        .maker = operation->name};
    if ((operation->flags & CALL_WHOLE_PAGES) != 0) {
        new.request += (new.alignment - new.request % new.alignment) % new.alignment;
    }
    new.request += (operation->flags & CALL_TEXT) != 0;
    if ((operation->flags & CALL_LENIENT) != 0) {
        new.alignment = 1;
    } else if (new.alignment == 0) {
        new.alignment = model_alignment(new.request);
    }
    model_take(&new, (operation->flags & CALL_ZEROED) != 0);
    if (call->text != NULL &&
        (memcmp(call->address, call->text, call->request) != 0 || new.address[call->request] != '\0')) {
        fault_die("the copy of a string of %zu characters differs from it", call->request);
    }
    model_compare(block, new.address, kept);
    slack_follow(block, &new);
    model_fill(&new, draw_bits(draw), draw_one_in(draw, 2));
    shelf->bytes += new.request - block->request;
    *block = new;
}

static void step_take(const struct operation *operation, struct shelf *shelf, struct block *block, struct draw *draw)
{
    static char untouched;
    struct call call = step_draw(operation, draw, shelf);
    int error = step_error(operation, &call);
    bool has_code = (operation->flags & CALL_CODE) != 0;
    call.address = has_code ? &untouched : NULL;
    step_perform(operation, &call, error);
    bool may_be_null = call.request == 0 && (operation->flags & (CALL_ALIGNED | CALL_PAGE)) != 0;
    if (error != 0 && call.address != (has_code ? &untouched : NULL) && (operation->flags & CALL_LENIENT) == 0) {
        fault_die("returned %p, but had to fail (request %zu, alignment %zu)", call.address, call.request,
                  call.alignment);
    }
    if (error == 0 && call.address == NULL && !may_be_null) {
        fault_die("returned no memory (request %zu, alignment %zu)", call.request, call.alignment);
    }
    if (call.address != NULL && call.address != &untouched) {
        step_accept(operation, &call, shelf, block, 0, draw);
    }
}

static void step_forget(struct shelf *shelf, struct block *block)
{
    shelf->bytes -= block->request;
    *block = (struct block){0};
}

static void step_resize(const struct operation *operation, struct shelf *shelf, struct block *block, struct draw *draw)
{
    struct call call = step_draw(operation, draw, shelf);
    int error = step_error(operation, &call);
    call.address = block->address;
    slack_check(block);
    model_give(block);
    step_perform(operation, &call, error);
    bool ends = error == 0 && call.request == 0;
    void *stays = error != 0 && (operation->flags & CALL_CODE) != 0 ? block->address : NULL;
    if (error != 0 || ends) {
        if (call.address != stays) {
            fault_die("returned %p and not %p (block %p, request %zu)", call.address, stays, (void *)block->address,
                      call.request);
        }
        if (ends || (operation->flags & CALL_FREES) != 0) {
            step_forget(shelf, block);
        } else {
            model_keep(block);
        }
        return;
    }
    if (call.address == NULL) {
        fault_die("returned no memory (a block of %zu, request %zu)", block->request, call.request);
    }
    size_t kept = block->filled < call.request ? block->filled : call.request;
    step_accept(operation, &call, shelf, block, kept, draw);
}

static void step_give(const struct operation *operation, struct shelf *shelf, struct block *block)
{
    struct call call = {.address = block->address, .old_request = block->request, .old_alignment = block->alignment};
    slack_check(block);
    model_give(block);
    step_perform(operation, &call, 0);
    step_forget(shelf, block);
}

/* Checks a block, reserves some of its bytes as slack, and then writes to all bytes that malloc_usable_size grants. */
static void step_look(struct block *block, struct draw *draw)
{
    place.call = "malloc_usable_size";
    model_check(block);
    slack_check(block);
    slack_draw(block, draw);
    model_fill(block, draw_bits(draw), true);
}

/*
 * Allocates and frees blocks of one size as fast as possible, so that several threads are often in the allocator at the
 * same moment. The thread writes its own mark into each block. If two threads get the same block, one of them finds the
 * other's mark.
 */
static void step_rush(struct draw *draw)
{
    static const size_t request[] = {40, 5000, 16384, 60000};
    size_t size = request[draw_below(draw, sizeof request / sizeof request[0])];
    size_t count = 1 + draw_below(draw, RUSH_BLOCKS);
    uint64_t mark = draw_bits(draw);
    uint64_t *block[RUSH_BLOCKS];
    place.call = "malloc and free in a rush";
    for (unsigned turn = 0; turn < RUSH_TURNS; turn++) {
        for (size_t i = 0; i < count; i++) {
            block[i] = malloc(size);
            if (block[i] == NULL) {
                fault_die("returned no memory (request %zu)", size);
            }
            *block[i] = mark + i;
        }
        for (size_t i = 0; i < count; i++) {
            if (*block[i] != mark + i) {
                fault_die("another block overlaps this one of %zu bytes at %p", size, (void *)block[i]);
            }
            free(block[i]);
        }
    }
}

void step_run(struct shelf *shelf, struct draw *draw)
{
    struct block *block = &shelf->block[draw_below(draw, STEP_SLOTS)];
    size_t choice = draw_below(draw, 64);
    const struct operation *operation;
    if (choice == 0) {
        step_rush(draw);
    } else if (choice == 1) {
        struct call call = {0};
        step_perform(calls_draw(draw, ROLE_LEAVE, 0), &call, 0);
    } else if (choice < 12) {
        buffers_step(draw);
    } else if (block->address == NULL) {
        step_take(calls_draw(draw, ROLE_TAKE, 0), shelf, block, draw);
    } else if (choice < 20) {
        step_look(block, draw);
    } else if (choice < 40 && (operation = calls_draw(draw, ROLE_RESIZE, block->origin)) != NULL) {
        step_resize(operation, shelf, block, draw);
    } else {
        step_give(calls_draw(draw, ROLE_GIVE, block->origin), shelf, block);
    }
}

void step_check_all(const struct shelf *shelf)
{
    place.call = "the end of a round";
    for (unsigned slot = 0; slot < STEP_SLOTS; slot++) {
        if (shelf->block[slot].address != NULL) {
            model_check(&shelf->block[slot]);
            slack_check(&shelf->block[slot]);
        }
    }
}

void step_give_all(struct shelf *shelf, struct draw *draw)
{
    for (unsigned slot = 0; slot < STEP_SLOTS; slot++) {
        struct block *block = &shelf->block[slot];
        if (block->address != NULL) {
            step_give(calls_draw(draw, ROLE_GIVE, block->origin), shelf, block);
        }
    }
}
