/*
 * Declares functions of sockmalloc that a program may call if it knows of the library. No program needs to call them.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_H
#define SOCKMALLOC_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Marks the functions of a program's fast paths. The compiler calls them by the addresses in the global offset table,
 * where it can, and not by way of a procedure linkage table. This takes 0.2 to 0.6 ns off an allocation and a free.
 */
#ifdef __has_attribute
#if __has_attribute(noplt)
#define SOCKMALLOC_FAST_CALL __attribute__((noplt))
#endif
#endif
#ifndef SOCKMALLOC_FAST_CALL
#define SOCKMALLOC_FAST_CALL
#endif

/* Marks inline functions that fast paths rarely call, so that the compiler keeps them out of the fast paths. */
#ifdef __has_attribute
#if __has_attribute(cold)
#define SOCKMALLOC_SLOW_CALL __attribute__((cold))
#endif
#endif
#ifndef SOCKMALLOC_SLOW_CALL
#define SOCKMALLOC_SLOW_CALL
#endif

/*
 * If the signal that SOCKMALLOC_SIGNAL names is sent with this value, the library writes its statistics, and the
 * program's own handler for the signal is not called. sigqueue(3), `sockmalloc stat --signal PID` and `/bin/kill -q
 * 1355006224 -USR1 PID` send a signal with this value.
 */
#define SOCKMALLOC_DUMP_ONLY 1355006224

/*
 * Reports on the malloc
 * ---------------------
 *
 * A program linked with -lsockmalloc can call these functions at any time. A program that also runs without the library
 * declares them weak, or looks them up by dlsym(3). Unless the comment of a function says otherwise, the function may
 * be called by any thread and in a signal handler, takes no lock, allocates nothing and keeps errno. The functions own
 * nothing: buffers and names stay the caller's. Only libsockmalloc.so has all functions of this group;
 * libsockmalloc-buffers.so has only sockmalloc_version. Source: no text of doc/design/pools.md describes these
 * functions; sockmalloc_trim does what malloc_trim(3) does, with a limit.
 */

/* Returns the version of the library, for example "1.0.0", as a static string. */
const char *sockmalloc_version(void);

/* Returns 1 if the pools serve requests, or 0 if they are turned off or there is no address space for them. */
int sockmalloc_active(void);

/*
 * Writes the settings in force, for example "SOCKMALLOC_MIN=4k SOCKMALLOC_MAX=32m ...", into `buffer` of `size` bytes.
 * `size` is at least 1. The text is cut off where it does not fit, and always ends with a NUL. Returns the number of
 * bytes written without the NUL.
 */
size_t sockmalloc_configuration(char *buffer, size_t size);

/*
 * Stores one figure of the statistics in *value. If `name` is a column, such as "live", the figure is the sum of all
 * buckets. If it is the label of a bucket, a point and a column, such as "16k.live", the figure is that of the bucket
 * alone. Returns 0. Returns -1 and leaves *value alone if the name is unknown, or if the figure cannot be known. For
 * example, resident bytes cannot be known in a process with a seccomp filter. Makes one system call for each 4 MiB of
 * slots.
 *
 * Columns (name, unit, meaning):
 *   live                slots     slots in use, counted from their metadata
 *   cached              slots     free slots in the caches of threads or of processors
 *   depot               slots     free slots in the depot or the lock-free stack
 *   purged              slots     free slots without pages: purged, or never used yet
 *   carved              slots     slots that exist, in use or free
 *   peak                slots     most slots in use at one time; may be too low, because slow paths alone count it
 *   requests            events    requests served
 *   asked               bytes     bytes that the served requests asked for
 *   resident            bytes     resident bytes of the bucket: of live, free and purged slots together
 *   resident_live       bytes     resident bytes of slots in use
 *   resident_free       bytes     resident bytes of free slots and of space not yet divided into slots
 *   resident_purged     bytes     resident bytes of purged slots, to which the program wrote after it had freed them
 *   cache_hits          events    requests served from the cache of the thread or the processor
 *   depot_hits          events    requests served from the depot or the lock-free stack
 *   swaps               events    times that a thread exchanged its two magazines, and the other one served
 *   fell_through        requests  requests of the bucket's sizes that got no slot of it
 *   fell_through_asked  bytes     bytes asked for in the requests that got no slot
 *   returned            slots     slots freed
 *   remote_frees        slots     slots freed by another thread than the one that allocated them; an estimate
 *   quota               slots     free slots that all caches together may hold
 *   misses              events    allocations and frees that neither of the thread's magazines could serve
 *   walks               events    public magazines of other threads that were looked at after a miss
 *   steals              events    public magazines of other threads that were taken
 *   promotions          events    times that a cache got its first quota of the bucket
 *   growths             events    quotas raised from the unused part of the budget
 *   transfers           events    quotas raised because another bucket's quota was lowered
 *   losses              events    quotas lowered so that another bucket's quota could be raised
 *   decays              events    quotas lowered because they were not used
 * End of columns.
 */
int sockmalloc_statistic(const char *name, uint64_t *value);

/* Returns 1 if the address lies in the address range of the pools, even if no live block starts there; otherwise 0. */
int sockmalloc_owns(const void *address);

/*
 * Returns the largest request, in bytes, that realloc would serve without moving the block at `address`, or 0 for an
 * address outside the pools. The block need not be live. A program may use only malloc_usable_size(3) bytes of the
 * block.
 */
size_t sockmalloc_capacity(const void *address);

/*
 * Gives the pages of free slots back to the kernel (purges them), until about `limit` bytes of slots are purged.
 * Returns how many bytes of slots were purged. Free slots in the caches of threads are not purged, except for the one
 * free slot of each large bucket that a thread may keep as a spare. Must not be called in a signal handler, because it
 * takes as long as the kernel takes to free the pages.
 */
size_t sockmalloc_trim(size_t limit);

/*
 * Writes the statistics to the file descriptor, in the format that SOCKMALLOC_FORMAT chooses. Returns 0, or -1 if not
 * all of it could be written or another thread was writing statistics at that moment.
 */
int sockmalloc_dump(int descriptor);

/*
 * Writes the statistics to the file descriptor in the given format: "text", "json" or "prometheus". Returns 0, or -1 if
 * the format has another name, not all of it could be written, or another thread was writing statistics at that moment.
 */
int sockmalloc_dump_as(int descriptor, const char *format);

/*
 * Slack: bookkeeping inside a buffer
 * ----------------------------------
 *
 * A slot of the pools is longer than most requests: malloc(1500 + 4096) has a slot of 8 KiB. A datagram server can keep
 * the records of a datagram's delivery in the bytes that its buffer leaves unused in the slot, which are called slack
 * here, in place of a second allocation. Pieces of slack are carved from the end of the slot downwards. free(buffer)
 * frees the buffer and its slack. malloc_usable_size(buffer) does not change.
 *
 * realloc never grows over slack. If realloc moves the buffer, the slack moves along, and each byte of it keeps its
 * distance from the address that sockmalloc_slack returns. So a program must call sockmalloc_slack again after realloc.
 * If realloc finds no slot with room for both, the buffer moves alone, and sockmalloc_slack returns NULL from then on.
 *
 * Slack belongs to the thread that owns the buffer at the time. All of these functions may be called in signal handlers
 * and take no lock. They keep errno, except where sockmalloc_slack_alloc sets it. An address in the range of the pools
 * at which no live buffer begins ends the process with a line of text, as free does. Only libsockmalloc.so has this
 * group. Source: the text on pooling in 6.4 of doc/design/pools.md.
 */

/* Returns how many more bytes of slack the buffer could have. Returns 0 for a block that is no slot of the pools. */
size_t sockmalloc_slack_room(const void *buffer);

/*
 * Carves `size` bytes of slack, all zero, at a multiple of `alignment`, a power of two up to 4096. Returns NULL with
 * errno ENOSPC if the slot has no room for them or the buffer is no slot of the pools, and with EINVAL for a size of 0
 * or a wrong alignment.
 */
void *sockmalloc_slack_alloc(void *buffer, size_t size, size_t alignment);

/*
 * Returns the start of all slack of the buffer, which is the start of the piece that was carved last, and stores in
 * *size how many bytes there are from there to the end of the slot. Returns NULL, and stores 0, if the buffer has no
 * slack.
 */
void *sockmalloc_slack(const void *buffer, size_t *size);

/* Gives back all slack of the buffer, so that realloc may use the room again. The buffer itself stays. */
void sockmalloc_slack_free(void *buffer);

/*
 * Message pages
 * -------------
 *
 * Messages of any size are allocated one behind the other in a page, and the page is recycled as a whole when none of
 * its messages is live. Each thread fills a page of its own, and any thread may free any message. Each message has
 * eight bytes in front of it, where free finds its size. A message belongs to the program until the program frees it,
 * and its memory always belongs to the object, a struct sockmalloc_message, that has the pages. Any thread may call the
 * functions, unless the comment of a function says otherwise. They keep errno unless they fail.
 * libsockmalloc-buffers.so has this group too. sockmalloc_message(3) describes this group with an example. Source: text
 * 001 of doc/design/pools.md.
 */
struct sockmalloc_message;

/* The options by which pages are made. A program begins with SOCKMALLOC_MESSAGE_OPTIONS, and changes the members that
 * matter to it. */
struct sockmalloc_message_options {
    size_t size;      /* sizeof(struct sockmalloc_message_options) */
    size_t page;      /* bytes of a page: a power of two from 4 KiB to 4 MiB */
    size_t limit;     /* most bytes of all pages together; addresses are reserved for all of them, but no memory */
    size_t alignment; /* messages begin at a multiple of this many bytes: 16 or 64 */
    size_t keep;      /* bytes of empty pages that keep their memory; SIZE_MAX keeps all, 0 returns each page at once */
    /* number of types that have statistics: 0 to 256; with 0, there is one type, without statistics */
    unsigned types;
    const char *name; /* the name of the object in `sockmalloc stat`, at most 31 bytes, copied; or NULL */
};
#define SOCKMALLOC_MESSAGE_OPTIONS                                                                                     \
    {                                                                                                                  \
        sizeof(struct sockmalloc_message_options), 65536, 1073741824, 16, SIZE_MAX, 1, NULL                            \
    }

/*
 * Opens an object of message pages and returns it. If `options` is NULL, the options are SOCKMALLOC_MESSAGE_OPTIONS.
 * Returns NULL with errno EINVAL if an option is out of its range or the options' `size` is larger than the struct that
 * the library knows, ENOMEM if the kernel refuses the addresses, EMFILE if 31 objects are open, or EBUSY if a signal
 * handler has interrupted its thread in opening or closing one. Takes a lock and may allocate, so it must not be called
 * in a signal handler.
 */
struct sockmalloc_message *sockmalloc_message_open(const struct sockmalloc_message_options *options);

/*
 * Closes an object whose messages are all freed, and unmaps its pages. No other thread may be inside a function for
 * this object, or call one afterwards. Returns 0. Returns -1 with errno EBUSY, and changes nothing, if a message is
 * live, or EINVAL for an object that is closed already. Must not be called in a signal handler.
 */
int sockmalloc_message_close(struct sockmalloc_message *messages);

/*
 * Allocates a message of `size` bytes, which may be 0. `type` is less than the object's number of types, or 0 if the
 * object has no types. The content is undefined. Returns NULL with errno EINVAL if the type is out of its range or the
 * message does not fit into a page: the size of the largest message is that of a page less twice the alignment. Returns
 * NULL with errno ENOMEM if all pages up to the limit are in use.
 *
 * May be called in a signal handler. A handler that has interrupted its thread in a function of this group gets a page
 * for its message alone, and the message is not counted. A thread's first call of this group may allocate memory
 * (pthread_setspecific), if the process has more than 32 keys for thread-specific data; then this first call must not
 * be made in a handler. A handler must not leave this function by longjmp. If a thread ends in the middle of a call, a
 * page may be lost.
 */
SOCKMALLOC_FAST_CALL void *sockmalloc_message_alloc(struct sockmalloc_message *messages, size_t size, unsigned type);

/*
 * Allocates up to `count` messages of one size, and stores them in `allocated`: for a call such as recvmmsg(2). Returns
 * how many it has allocated. If there are fewer than `count`, errno is set as by sockmalloc_message_alloc. One call for
 * 32 messages takes a fraction of the time of 32 calls. May be called in a signal handler under the conditions of
 * sockmalloc_message_alloc.
 */
size_t sockmalloc_message_alloc_many(struct sockmalloc_message *messages, size_t size, unsigned type, size_t count,
                                     void **allocated);

/*
 * Frees a message of this object, or does nothing for NULL. Any thread may free any message, also in a signal handler.
 * errno is kept. If the message was freed already, or if no message of this object begins at the address, the function
 * prints one line and ends the process by abort(). Three mistakes are not detected: a message that was freed already,
 * if a new message begins at its address by now; two threads that free a message at the same moment; and an address
 * inside a message, if the bytes in front of it were made to look like a header.
 *
 * As long as a thread frees messages of one page, it only adds up the bytes of these messages, and subtracts the sum
 * from the live bytes of the page later: when it frees a message of another page, allocates from a new page, calls
 * sockmalloc_message_flush or ends. So a thread may keep one page from being recycled although all messages of the page
 * are freed. The thread keeps no page if it has itself freed all messages of the page.
 */
SOCKMALLOC_FAST_CALL void sockmalloc_message_free(struct sockmalloc_message *messages, void *message);

/* Frees `count` messages, as sockmalloc_message_free frees each of them, also in a signal handler. */
void sockmalloc_message_free_many(struct sockmalloc_message *messages, size_t count, void *const *freed);

/*
 * Returns the size in bytes that a live message was allocated with. If `message` is no live message, the function
 * prints one line and ends the process by abort(), as sockmalloc_message_free does. May be called in a signal handler.
 */
size_t sockmalloc_message_size(const struct sockmalloc_message *messages, const void *message);

/*
 * Gives up the two pages that the calling thread may keep from being recycled: the page that it fills, and the page of
 * which it freed messages last. A thread that ends gives up its two pages, too. A thread should call this function
 * before it waits or sleeps for long. May be called in a signal handler; does nothing if the handler interrupted its
 * thread in a function of this group.
 */
void sockmalloc_message_flush(struct sockmalloc_message *messages);

/*
 * Gives the memory of empty pages back to the kernel until at most `keep` bytes of empty pages have memory. Returns how
 * many bytes of pages went back, or 0 with errno EINVAL if the object is closed. Takes as long as the kernel needs, so
 * it should not be called in a signal handler.
 */
size_t sockmalloc_message_trim(struct sockmalloc_message *messages, size_t keep);

/* Figures of an object, as sockmalloc_message_figures stores them. The bytes of messages include their headers and what
 * alignment adds. */
struct sockmalloc_message_figures {
    uint64_t page_size;  /* bytes */
    uint64_t largest;    /* bytes of the largest message */
    uint64_t pages;      /* pages that were ever used: as many as the highest load needed */
    uint64_t pages_used; /* pages that hold live messages, or that a thread fills */
    uint64_t bytes_held; /* bytes of live messages */
    /* pages that no thread fills, and that cannot be recycled because of a few bytes of live messages */
    uint64_t straggler_pages;
    uint64_t straggler_messages; /* live messages in the pages that straggler_pages counts */
    uint64_t straggler_bytes;    /* bytes of the live messages in the pages that straggler_pages counts */
};

/*
 * Stores figures of an object. A page that no thread fills is a straggler page if it holds live messages of at most
 * `most` bytes together. Returns 0, or -1 with errno EINVAL if the object is closed. Reads the record of each page, and
 * the headers of the messages in straggler pages. While other threads allocate and free, the figures are close and not
 * exact. May be called in a signal handler.
 */
int sockmalloc_message_figures(struct sockmalloc_message *messages, size_t most,
                               struct sockmalloc_message_figures *figures);

/*
 * The type of the function that sockmalloc_message_stragglers calls with `context`, a message, its size in bytes and
 * its type. The function returns 0 if it is to be called for the next message too, or another number to end the walk.
 */
typedef int sockmalloc_message_hook(void *context, void *message, size_t size, unsigned type);

/*
 * Calls the hook for each live message in each page that no thread fills and that holds live messages of at most `most`
 * bytes together. Returns the number of messages for which the hook was called, or 0 with errno EINVAL if the object is
 * closed. The hook may copy a message to elsewhere, tell the program so, and free it; then the page is recycled. The
 * hook may call any function for this object but sockmalloc_message_close. Another thread must not free a message while
 * the hook uses it. May be called in a signal handler if the hook may.
 */
size_t sockmalloc_message_stragglers(struct sockmalloc_message *messages, size_t most, sockmalloc_message_hook *hook,
                                     void *context);

#define SOCKMALLOC_MESSAGE_STEPS 160

/*
 * The sizes of all messages of a type that were ever allocated. step[i] is the number of messages that are larger than
 * sockmalloc_message_step_end(i - 1) and at most sockmalloc_message_step_end(i) bytes. Sizes between a number of bytes
 * and twice this number are counted in eight steps.
 */
struct sockmalloc_message_statistics {
    uint64_t count;
    uint64_t bytes;
    uint64_t step[SOCKMALLOC_MESSAGE_STEPS];
};

/* Stores the statistics of a type. Returns 0, or -1 with errno EINVAL if the object is closed or the type has no
 * statistics. May be called in a signal handler. */
int sockmalloc_message_statistics(const struct sockmalloc_message *messages, unsigned type,
                                  struct sockmalloc_message_statistics *statistics);

/* Returns the largest size in bytes that this step of the histogram in struct sockmalloc_message_statistics counts. The
 * last step also counts all larger sizes. Cannot fail. May be called in a signal handler. */
size_t sockmalloc_message_step_end(unsigned step);

/*
 * Proposes the size of a page for messages of a type, from the type's statistics. It is the smallest size with room for
 * the largest message so far, and for 16 messages of the size that 99 of 100 messages do not exceed. With 16 such
 * messages in a page, about a 32nd of the page, which is half a message, is left unused at its end. Returns the size in
 * bytes, 4 KiB if there was no message yet, or 0 with errno EINVAL if the object is closed or the type has no
 * statistics. The pages of this object keep their size; the proposal is for an object that is opened later. May be
 * called in a signal handler.
 */
size_t sockmalloc_message_reserve(const struct sockmalloc_message *messages, unsigned type);

/*
 * A caller's batch of messages
 * ----------------------------
 *
 * A program that allocates and frees messages one by one saves most calls into the library with a batch. The batch is a
 * structure of the program's own, for messages of one size and type. The functions are inline:
 * sockmalloc_message_batch_alloc returns the next of the messages that one call of sockmalloc_message_alloc_many has
 * allocated ahead, and sockmalloc_message_batch_free stores the message until one call of sockmalloc_message_free_many
 * frees all that are stored. Where each message is freed before the next one is allocated, an allocation and a free
 * take 0.5 to 0.8 of the time of two calls, by the processor; doc/design/decisions.md has figures for another order.
 * The functions use only functions of the group above, and a program may mix the two kinds of calls: any function frees
 * any message of the object.
 *
 * A batch has allocated up to SOCKMALLOC_MESSAGE_BATCH messages ahead, and delays as many frees. Until
 * sockmalloc_message_batch_end, the object counts all of these messages as live: their pages are not recycled, the
 * object cannot be closed, and sockmalloc_message_stragglers calls its hook for them. A hook must not free them, so a
 * program with a hook that frees first ends its batches. A wrong free, such as that of a message that was freed
 * already, ends the process only when the batch passes it on to sockmalloc_message_free_many. A batch suits messages of
 * at most about a 32nd of a page, because one call allocates ahead as many pages as 32 messages fill. In a thread that
 * allocates without its own page, such as a signal handler that has interrupted sockmalloc_message_alloc, each message
 * takes a page, and a batch 32 of them.
 *
 * The memory of a batch belongs to the caller. A program must not copy a batch, because both copies would return the
 * same messages. One thread at a time may use a batch, and a signal handler must not use a batch that it may have
 * interrupted. Any thread may free the messages by a batch of its own. A thread that ends does not end its batches. The
 * child of a fork has a copy of each batch and of each message, and may go on with a batch, unless another thread of
 * the parent was using it. The functions keep errno, except where sockmalloc_message_batch_alloc sets it.
 *
 * A program that also runs without the library declares sockmalloc_message_alloc_many and sockmalloc_message_free_many
 * weak, because the functions of a batch call them. With gcc's -fkeep-inline-functions it does so even if it has no
 * batch. Source: none of the texts of doc/design/pools.md describes a batch; recvmmsg(2) is its model.
 */

/* The number of messages that a batch allocates ahead at most, and the number of frees that it delays at most. */
#define SOCKMALLOC_MESSAGE_BATCH 32

/* A batch. A program declares a variable of this type, and leaves its members to the functions. */
struct sockmalloc_message_batch {
    struct sockmalloc_message *messages; /* the object that has the messages */
    size_t size;                         /* bytes of each message that the batch allocates */
    unsigned type;                       /* type of each message that the batch allocates */
    size_t next;                         /* index in `ready` of the message that is allocated next */
    size_t end;                          /* index in `ready` behind the last message allocated ahead */
    size_t delayed;                      /* number of messages in `freed`, which is filled from its end */
    void *ready[SOCKMALLOC_MESSAGE_BATCH];
    void *freed[SOCKMALLOC_MESSAGE_BATCH];
};

/*
 * Begins a batch for messages of `size` bytes and of this type. Allocates nothing, and does not look at its arguments,
 * so sockmalloc_message_batch_alloc reports a wrong size or type. Any batch that was begun must be ended before it is
 * begun again. A batch of zeros that was never begun has no object: it allocates nothing (EINVAL), and if a message is
 * freed by it, the flush ends the process.
 */
static inline void sockmalloc_message_batch_begin(struct sockmalloc_message_batch *batch,
                                                  struct sockmalloc_message *messages, size_t size, unsigned type)
{
    batch->messages = messages;
    batch->size = size;
    batch->type = type;
    batch->next = 0;
    batch->end = 0;
    batch->delayed = 0;
}

/*
 * Frees the messages whose frees the batch has delayed, by one call of sockmalloc_message_free_many, which ends the
 * process if one of them is no live message. A thread should call this function, or sockmalloc_message_batch_end,
 * before it waits or sleeps for long.
 */
SOCKMALLOC_SLOW_CALL static inline void sockmalloc_message_batch_flush(struct sockmalloc_message_batch *batch)
{
    size_t delayed = batch->delayed;
    batch->delayed = 0;
    sockmalloc_message_free_many(batch->messages, delayed, batch->freed + SOCKMALLOC_MESSAGE_BATCH - delayed);
}

/*
 * Allocates up to SOCKMALLOC_MESSAGE_BATCH messages ahead and returns the first of them, or NULL as
 * sockmalloc_message_batch_alloc does, which alone calls this function: only if the batch has no message ready. If
 * there is no memory, first frees the messages whose frees are delayed, because they may be all that keep a page from
 * being recycled.
 */
SOCKMALLOC_SLOW_CALL static inline void *sockmalloc_message_batch_refill(struct sockmalloc_message_batch *batch)
{
    batch->next = 0;
    batch->end = sockmalloc_message_alloc_many(batch->messages, batch->size, batch->type, SOCKMALLOC_MESSAGE_BATCH,
                                               batch->ready);
    if (batch->end == 0 && batch->delayed > 0) {
        sockmalloc_message_batch_flush(batch);
        batch->end = sockmalloc_message_alloc_many(batch->messages, batch->size, batch->type, SOCKMALLOC_MESSAGE_BATCH,
                                                   batch->ready);
    }
    return batch->end > 0 ? batch->ready[batch->next++] : NULL;
}

/*
 * Allocates a message of the batch's size and type, and returns it. Returns NULL with the errno of
 * sockmalloc_message_alloc if there is none. If a call finds memory for fewer messages than SOCKMALLOC_MESSAGE_BATCH,
 * it sets errno although it returns a message. Messages that were allocated ahead together are returned in the order of
 * their addresses as long as they lie in one page. The message belongs to the program until the program frees it.
 */
static inline void *sockmalloc_message_batch_alloc(struct sockmalloc_message_batch *batch)
{
    if (batch->next < batch->end) {
        return batch->ready[batch->next++];
    }
    return sockmalloc_message_batch_refill(batch);
}

/*
 * Frees a message of the batch's object, of any size and type, or does nothing for NULL. The free is delayed until
 * SOCKMALLOC_MESSAGE_BATCH messages were freed, or sockmalloc_message_batch_flush or sockmalloc_message_batch_end is
 * called. The program must not use the message any more. The message freed last is passed on first: if the messages are
 * the last ones of the thread's page, the next messages take their place, where the processor's cache has them.
 */
static inline void sockmalloc_message_batch_free(struct sockmalloc_message_batch *batch, void *message)
{
    batch->freed[SOCKMALLOC_MESSAGE_BATCH - ++batch->delayed] = message;
    if (batch->delayed == SOCKMALLOC_MESSAGE_BATCH) {
        sockmalloc_message_batch_flush(batch);
    }
}

/*
 * Ends a batch: frees the messages whose frees it has delayed, as sockmalloc_message_batch_flush does, and those that
 * were allocated ahead. The batch is then as after sockmalloc_message_batch_begin, and may be used again. Messages that
 * the program has not freed stay live.
 */
static inline void sockmalloc_message_batch_end(struct sockmalloc_message_batch *batch)
{
    sockmalloc_message_batch_flush(batch);
    sockmalloc_message_free_many(batch->messages, batch->end - batch->next, batch->ready + batch->next);
    batch->next = 0;
    batch->end = 0;
}

/*
 * Ring: messages in a ring of equal chunks
 * ----------------------------------------
 *
 * A ring is memory that is divided into chunks of equal size. One producer allocates messages of any size, each in as
 * many neighbouring chunks as it needs. Any thread of any process that has the memory mapped frees them, in any order.
 * Messages are allocated at the head, a position in the ring. A second position, the free marker, follows the head over
 * free chunks, and stops at the first message in use. So if one message stays in use, the ring becomes full in the end.
 * A message that does not fit between the head and the end of the memory begins at chunk 0. The chunks from the head to
 * the end of the memory then stay unused until the marker has passed them. A ring suits messages that live for a short
 * time and are freed in about the order of their allocation. Source: text 001 of doc/design/pools.md, edit 1.
 *
 * The ring lies in memory of the caller: a private mapping for the threads of one process, or a shared one (shm_open,
 * memfd_create) for several processes, at a different address in each. A file behind the memory must not become
 * shorter, so use F_SEAL_SHRINK. Messages are passed on by the caller's own means: threads pass the address, and
 * processes pass the number that sockmalloc_ring_handle returns, for example through a pipe.
 *
 * Each message has a holder: at first the process that allocated it, and then the process that took it last with
 * sockmalloc_ring_take. If a process dies, the ring stays whole, and another process can free the messages of the dead
 * process by sockmalloc_ring_reclaim.
 *
 * Only one thread at a time may allocate from a ring, so several producers need a lock of their own. All other
 * functions may be called by any thread at any time, take no lock, and may be called in signal handlers.
 * sockmalloc_ring_alloc may be called in a handler too, if the handler cannot have interrupted an allocation from the
 * same ring. A thread that ends inside a function leaves the ring whole. If the thread was allocating a message, this
 * message is lost until the messages of its process are reclaimed. If the thread was freeing a message, a producer that
 * waits for a free chunk may not be woken, and may have to wait for the next free. The child of a fork may use the ring
 * as its parent may. If the memory is shared, parent and child are one holder, and must not both allocate. If the
 * memory is private, the child has a copy of the ring. From the creation of a ring, or the attachment to it, until
 * sockmalloc_ring_close, the functions make no system call but futex.
 *
 * A call with a bad argument fails with EINVAL. If no message in use begins at an address that a program passes, for
 * example because the message was freed already, the process prints one line and ends by abort(). The process also ends
 * so if the data that describe the chunks of the ring were overwritten.
 */
struct sockmalloc_ring;

#define SOCKMALLOC_RING_TYPES     16      /* number of types of messages, each with its own statistics */
#define SOCKMALLOC_RING_CHUNKS    4194303 /* most chunks that a ring can have */
#define SOCKMALLOC_RING_HOLDERS   4194303 /* the largest number that a process can have as the holder of messages */
#define SOCKMALLOC_RING_ALIGNMENT 128     /* alignment of a ring's memory in bytes; chunk sizes are multiples of it */

struct sockmalloc_ring_options {
    size_t size; /* sizeof(struct sockmalloc_ring_options) */
    /* bytes of a chunk: a multiple of 128, at most 1 GiB; sockmalloc_ring_attach ignores this member */
    size_t chunk_size;
    /* this process's number as the holder of messages, at least 1; or 0 for the process id */
    uint32_t holder;
    const char *name; /* the name of the ring in `sockmalloc stat`, at most 31 bytes, copied; or NULL */
};

/* Returns how many bytes of memory a ring of `chunks` chunks of `chunk_size` bytes needs, or 0 with errno EINVAL. */
size_t sockmalloc_ring_length(size_t chunk_size, size_t chunks);

/*
 * Makes a ring in `length` bytes of memory that begin at a multiple of 128, with as many chunks as there is room for,
 * and returns it. What the memory held before is lost. If `options` is NULL, chunks have 128 bytes. Processes in
 * different PID namespaces must choose their numbers as holders (the option `holder`) themselves, because process ids
 * could be equal there. Returns NULL with errno EINVAL for bad arguments, or ENOMEM if the kernel refuses a page for
 * this process's own part of the ring.
 */
struct sockmalloc_ring *sockmalloc_ring_create(void *memory, size_t length,
                                               const struct sockmalloc_ring_options *options);

/*
 * Returns the ring that some process has created in this memory. Returns NULL with errno EINVAL for bad arguments, or
 * if the memory holds no whole ring of at most `length` bytes. Returns NULL with errno ENOMEM as sockmalloc_ring_create
 * does.
 */
struct sockmalloc_ring *sockmalloc_ring_attach(void *memory, size_t length,
                                               const struct sockmalloc_ring_options *options);

/*
 * Ends the use of a ring by this process. The memory, and the messages that other processes hold, stay. Returns 0, or
 * -1 with errno EBUSY if this process holds messages, which sockmalloc_ring_reclaim with this process's own number
 * frees. No thread of the process may use the ring during the call or afterwards.
 */
int sockmalloc_ring_close(struct sockmalloc_ring *ring);

/*
 * Allocates a message of `size` bytes, at least 1, and of one of the types 0 to 15. The message begins at the start of
 * a chunk. Its content is what the chunks held before. Returns the message. Returns NULL with errno EAGAIN if the ring
 * is full at the moment, or with EINVAL if the size is 0 or larger than the whole ring, or if there is no such type.
 */
SOCKMALLOC_FAST_CALL void *sockmalloc_ring_alloc(struct sockmalloc_ring *ring, size_t size, unsigned type);

/*
 * Allocates `size` bytes as sockmalloc_ring_alloc does, but waits while the ring is full, until an absolute time of
 * CLOCK_MONOTONIC, or without limit if `deadline` is NULL. Returns NULL with errno as sockmalloc_ring_alloc does, or
 * with ETIMEDOUT after the deadline, or with EINTR if a signal handler ran. Without a deadline, handlers that were
 * installed with SA_RESTART do not end the wait. If the ring stays full because a dead process holds a message, another
 * process must reclaim the message, or the wait lasts until the deadline. The wait may also last until the deadline if
 * a process has written over the ring's own data. This function is no cancellation point.
 */
void *sockmalloc_ring_alloc_wait(struct sockmalloc_ring *ring, size_t size, unsigned type,
                                 const struct timespec *deadline);

/* Frees a message, and keeps errno. Does nothing if `message` is NULL. */
SOCKMALLOC_FAST_CALL void sockmalloc_ring_free(struct sockmalloc_ring *ring, void *message);

/* Returns the message's handle: the number by which another process gets the message from sockmalloc_ring_take. Returns
 * 0 with errno EINVAL if `ring` or `message` is NULL. The handle is valid until the message is freed. */
uint64_t sockmalloc_ring_handle(struct sockmalloc_ring *ring, const void *message);

/*
 * Returns the message whose handle sockmalloc_ring_handle has returned, and makes this process its holder. Stores the
 * message's size in bytes in *size, and its type in *type, unless these are NULL. Returns NULL with errno EINVAL for a
 * number that is no handle of a message in use. A handle of a message that was freed is recognized as no longer valid,
 * unless 524,288 rounds of the ring, or a multiple, have passed since.
 */
void *sockmalloc_ring_take(struct sockmalloc_ring *ring, uint64_t handle, size_t *size, unsigned *type);

/*
 * Frees all messages of the process with the number `holder`, and returns how many messages it has freed. That process
 * must be dead, or no longer use the messages. If the producer has died, first take the messages that it has sent, for
 * example by reading its pipe to the end. If the only consumer has died, reclaim the messages of the producer too,
 * because the producer is still the holder of messages that it has sent and that nobody has taken. A new producer must
 * begin after the reclaim, or with another number. Returns 0 with errno EINVAL if `ring` is NULL.
 */
size_t sockmalloc_ring_reclaim(struct sockmalloc_ring *ring, uint32_t holder);

/* The messages of one type that were allocated since the ring's creation. */
struct sockmalloc_ring_statistics {
    uint64_t count;   /* the number of messages */
    uint64_t bytes;   /* the sum of the sizes of these messages, in bytes */
    uint64_t largest; /* the size of the largest message, in bytes */
};

/* Stores the statistics of a type. Returns 0, or -1 with errno EINVAL. */
int sockmalloc_ring_statistics(const struct sockmalloc_ring *ring, unsigned type,
                               struct sockmalloc_ring_statistics *statistics);

/* The state of a ring at one moment. */
struct sockmalloc_ring_status {
    size_t chunk_size; /* bytes of a chunk */
    size_t chunks;     /* chunks of the whole ring */
    /* chunks that are in use or not yet known to be free: those from the oldest such chunk (the free marker) up to the
     * chunk at which the next message is allocated (the head) */
    size_t occupied;
    /* the holder of the oldest message in use, if this message keeps later chunks from becoming free (the free marker
     * cannot pass it); otherwise 0 */
    uint32_t oldest_holder;
};

/* Stores the ring's state in *status. Returns 0, or -1 with errno EINVAL. */
int sockmalloc_ring_status(const struct sockmalloc_ring *ring, struct sockmalloc_ring_status *status);

/*
 * Fixed-size pools: blocks of one size
 * ------------------------------------
 *
 * A pool serves a program that needs many buffers of one size. A pool gets its memory in chunks of many blocks. A block
 * belongs to the program until the program frees it. Nothing is written into a free block. Any thread may call the
 * functions on any pool, at the same time as others, except for sockmalloc_pool_create and sockmalloc_pool_destroy: no
 * thread may use a pool before sockmalloc_pool_create has returned it, or once sockmalloc_pool_destroy is called.
 * sockmalloc_pool_alloc, sockmalloc_pool_free and sockmalloc_pool_statistic may be called in signal handlers, even if
 * the handler interrupted one of these functions; they keep errno unless they fail. A handler that interrupted its own
 * thread in a step that needs the pool's lock may find that no block can be allocated. After creation, a pool makes no
 * system calls but mmap, munmap, madvise and futex, unless it writes a report.
 *
 * The child of a fork may use the pools and the blocks of its parent. Blocks that were in magazines of the parent's
 * other threads are free in the child; that costs a step for each block of the pools, at the fork, if the parent had
 * several threads. A program must not fork in a signal handler that interrupted one of these functions.
 *
 * A thread that ends inside one of these functions, by pthread_exit or siglongjmp in a signal handler, can lose the
 * block that it was about to allocate or free until the pool is destroyed or the process forks. If the thread ends
 * while it holds the pool's lock, for example while the pool grows, the pool can neither grow nor be pinned any more.
 * If the thread ends while it purges a block, the pool cannot be pinned any more. Calls that need the pool to grow, or
 * that pin it, may then wait for ever.
 *
 * A block that is freed twice, an address at which no block of the pool begins, and the free of a block of a pool that
 * was destroyed end the process, after one line on stderr, by abort(). libsockmalloc-buffers.so has this group too.
 * Source: texts 000 and 002 of doc/design/pools.md.
 */
struct sockmalloc_pool;

/* The kinds of pool. The kind decides where free blocks are kept. */
enum sockmalloc_pool_kind {
    /*
     * Each thread has two magazines, which are arrays of free blocks. Most calls use only the thread's own magazines,
     * without atomic instructions. If these magazines cannot serve a call, threads exchange magazines, and no thread
     * waits.
     */
    SOCKMALLOC_POOL_THREAD,
    /* one lock-free list of free blocks for all threads; a thread tries again if another one has changed the list */
    SOCKMALLOC_POOL_LOCKFREE,
    SOCKMALLOC_POOL_STANDARD, /* one free list under a mutex; a thread that has to wait sleeps in the kernel */
    SOCKMALLOC_POOL_CPU       /* each processor has a magazine, which one thread at a time uses */
};

enum sockmalloc_pool_alignment {
    SOCKMALLOC_POOL_BY_LINE, /* blocks begin at multiples of 64 bytes: a block of 100 bytes takes 128 bytes */
    SOCKMALLOC_POOL_BY_PAGE  /* blocks begin at page boundaries: a block of 5,000 bytes takes two pages of 4 KiB */
};

/*
 * The times at which memory of free blocks is given back to the kernel, or to the allocator that is the pool's source.
 * A chunk that is wholly free is given back as a whole. Of other chunks, the pages in which only free blocks lie are
 * purged (madvise). Blocks in magazines keep their memory.
 */
enum sockmalloc_pool_returned {
    SOCKMALLOC_POOL_NEVER, /* memory is given back only by sockmalloc_pool_trim, or if free_limit is reached */
    /*
     * Memory is given back when its blocks were free for age_ms milliseconds, at the latest after twice that time if
     * the program goes on to free blocks. The pool has no timer and no thread for this: every 256th free reads a coarse
     * clock.
     */
    SOCKMALLOC_POOL_BY_AGE,
    SOCKMALLOC_POOL_AT_ONCE /* memory is given back at each free; the pool then has no magazines */
};

/* Flags of struct sockmalloc_pool_options. */
enum {
    /*
     * The pool records for each block which code allocated it, and when. sockmalloc_pool_report and
     * sockmalloc_pool_each show this. sockmalloc_pool_each also keeps each block from being allocated again while it
     * shows the block. Costs 16 bytes for each block, a read of the coarse clock for each allocation and an atomic
     * instruction for each free. Pools of the kind SOCKMALLOC_POOL_THREAD have no magazines then.
     */
    SOCKMALLOC_POOL_IN_USE = 1,
    SOCKMALLOC_POOL_KEEP_ADDRESSES = 2 /* the pool only purges pages, and never gives a chunk back */
};

/*
 * An allocator of the program's own, from which a pool gets its chunks. `allocate` returns memory of `size` bytes at a
 * multiple of `alignment`, which is 64 or the page size, or NULL. `release` gets back what `allocate` returned, with
 * the same size. Any thread that allocates or frees may call the functions, possibly several threads at once. No lock
 * of the pool is held meanwhile, except when a thread ends. The functions must not use the pool that they serve. The
 * chunks of such an allocator are given back as a whole, and never purged.
 */
struct sockmalloc_pool_source {
    void *(*allocate)(void *context, size_t size, size_t alignment);
    void (*release)(void *context, void *start, size_t size);
    void *context;
};

/* The options of sockmalloc_pool_create. A program begins with SOCKMALLOC_POOL_OPTIONS, and then changes members. */
struct sockmalloc_pool_options {
    size_t size;      /* sizeof(struct sockmalloc_pool_options) */
    size_t block;     /* bytes of a block: 1 to 1 GiB */
    const char *name; /* the pool's name in statistics and messages, at most 31 bytes; or NULL */
    int kind;         /* enum sockmalloc_pool_kind */
    int alignment;    /* enum sockmalloc_pool_alignment */
    int returned;     /* enum sockmalloc_pool_returned */
    int report;       /* the descriptor to which sockmalloc_pool_destroy writes its report; -1 for no report */
    unsigned flags;   /* SOCKMALLOC_POOL_IN_USE, SOCKMALLOC_POOL_KEEP_ADDRESSES */
    unsigned age_ms;  /* for SOCKMALLOC_POOL_BY_AGE: milliseconds after which memory of free blocks is given back */
    /* limit for the number of free blocks that keep their memory, without those in magazines; 0 for no limit */
    size_t free_limit;
    size_t chunk; /* how many bytes of blocks a chunk has, approximately; at most 1 GiB; if 0, the pool chooses */
    /* the allocator from which chunks come; if its functions are NULL, chunks come from the kernel */
    struct sockmalloc_pool_source source;
};

#define SOCKMALLOC_POOL_OPTIONS                                                                                        \
    {                                                                                                                  \
        sizeof(struct sockmalloc_pool_options), 0, NULL, 0, 0, 0, -1, 0, 0, 0, 0,                                      \
        {                                                                                                              \
            NULL, NULL, NULL                                                                                           \
        }                                                                                                              \
    }

/*
 * Makes a pool, which has no blocks yet, and returns it. On failure, returns NULL and sets errno: EINVAL if an option
 * makes no sense, EAGAIN if the process has 496 pools, ENOMEM if there is no memory. Reserves 1 to 3 MiB of addresses
 * for its tables; only the pages of them that are used take memory. A pool can have 8,192 chunks. If the pool chooses
 * the size of its chunks, all chunks together hold 4 GiB of blocks, and more if a block is larger than 32 KiB. Must not
 * be called in a signal handler.
 */
struct sockmalloc_pool *sockmalloc_pool_create(const struct sockmalloc_pool_options *options);

/*
 * Destroys the pool and gives all of its memory back. If blocks are in use, the pool first writes a list of them to the
 * descriptor `report` of its options; with SOCKMALLOC_POOL_IN_USE each line has the block's age and the code that
 * allocated it. The function then returns -1 with EBUSY, and the pool stays as it is. With `flags`
 * SOCKMALLOC_POOL_ALL_THE_SAME the pool is destroyed although blocks are in use, and these blocks become invalid.
 * Returns 0, or -1 with EINVAL if the pool was destroyed before. Must not be called in a signal handler.
 */
int sockmalloc_pool_destroy(struct sockmalloc_pool *pool, unsigned flags);
enum { SOCKMALLOC_POOL_ALL_THE_SAME = 1 };

/*
 * Returns a block, whose content is undefined. Returns NULL with errno ENOMEM if there is no memory or the pool has as
 * many chunks as it can have, or with EINVAL if the pool was destroyed. A thread cannot allocate the free blocks in the
 * private magazines of other threads, so for a pool with little memory the other kinds are better than
 * SOCKMALLOC_POOL_THREAD.
 */
SOCKMALLOC_FAST_CALL void *sockmalloc_pool_alloc(struct sockmalloc_pool *pool);

/* Frees a block of the pool. Any thread may free it. Does nothing if `block` is NULL. */
SOCKMALLOC_FAST_CALL void sockmalloc_pool_free(struct sockmalloc_pool *pool, void *block);

/*
 * Gives back the memory of all free blocks, whatever the pool's options say, except for those in private magazines of
 * other threads. Returns how many bytes were given back. Returns 0 while the pool is pinned (sockmalloc_pool_pin) or
 * sockmalloc_pool_each walks over its blocks, and 0 with EINVAL if the pool was destroyed. Must not be called in a
 * signal handler.
 */
size_t sockmalloc_pool_trim(struct sockmalloc_pool *pool);

/*
 * Stores the figure of the pool that has this name in *value. Returns 0, or -1 with EINVAL if there is no such figure.
 * Other threads may allocate and free meanwhile. Takes time in proportion to the chunks and threads of the pool.
 *
 *   live       blocks  blocks in use
 *   cached     blocks  free blocks in the magazines of threads or of processors
 *   free       blocks  free blocks with pages outside of magazines
 *   purged     blocks  free blocks without pages: purged, or never used yet
 *   carved     blocks  blocks that exist, in use or free
 *   chunks     chunks  chunks that the blocks lie in
 *   memory     bytes   bytes of all chunks
 *   metadata   bytes   bytes that describe blocks, for the most chunks that the pool ever had at a time
 *   requests   events  blocks allocated from magazines or, in the kind standard, from the free list
 *   frees      events  blocks freed to magazines or, in the kind standard, to the free list
 *   swaps      events  times that a thread exchanged its two magazines, and the other one served
 *   walks      events  public magazines of other threads that were looked at
 *   steals     events  public magazines of other threads that were taken
 *   obtained   chunks  chunks that were got from the kernel or from the program's own allocator
 *   released   chunks  chunks that were given back
 *   purges     blocks  blocks whose pages were given back
 *   refusals   events  allocations that failed
 */
int sockmalloc_pool_statistic(struct sockmalloc_pool *pool, const char *name, uint64_t *value);

/* A block in use, as sockmalloc_pool_each shows it. `caller` and `taken_at` are 0 without SOCKMALLOC_POOL_IN_USE. */
struct sockmalloc_pool_use {
    void *block;
    const void *caller; /* the return address of the call that allocated the block */
    uint64_t taken_at;  /* nanoseconds of CLOCK_MONOTONIC_COARSE */
};

/* The type of the function that sockmalloc_pool_each calls with `context` and a block in use. */
typedef int sockmalloc_pool_visit(void *context, const struct sockmalloc_pool_use *use);

/*
 * Calls `visit` for each block in use, in the order of the blocks' chunks, while other threads allocate and free. Shows
 * every block that is in use during the whole walk. Blocks that are allocated or freed during the walk may be shown or
 * not. Stops when `visit` returns anything but 0, and returns this number. Returns 0 at the end, or -1 with EBUSY if
 * another walk of this pool is under way, or with EINVAL.
 *
 * The callback may allocate and free blocks of this pool and of any other pool, but not walk or destroy this pool.
 * During the walk, no memory of the pool is given back, so every block that the callback sees can be read and written.
 * With SOCKMALLOC_POOL_IN_USE, the block is also not allocated again before the callback returns; if another thread, or
 * the callback itself, frees the block meanwhile, the free takes effect when the callback returns. Without
 * SOCKMALLOC_POOL_IN_USE, another thread may free the block and allocate it again during the callback. In either case
 * the block may have been freed by its owner, or not been initialised yet, so a program needs a word in the block that
 * says if the content is valid. That word still has its value after the free, because the pool does not write to
 * blocks. If the callback does not return, but calls longjmp or pthread_exit, no further walk is possible.
 */
int sockmalloc_pool_each(struct sockmalloc_pool *pool, sockmalloc_pool_visit *visit, void *context);

/*
 * Writes the list of the blocks in use to a descriptor, with one line for each block. Returns 0, or -1 if not all of it
 * could be written, with errno EINVAL if the pool was destroyed.
 */
int sockmalloc_pool_report(struct sockmalloc_pool *pool, int descriptor);

/*
 * While a pool is pinned, no memory of it is purged or given back, so that the kernel may keep using the chunks' memory
 * (for example after io_uring_register_buffers). Pins are counted: a pool that was pinned twice must be unpinned twice.
 * sockmalloc_pool_pin waits until other threads no longer purge blocks of the pool. Each of the two functions returns
 * 0, or -1: with EINVAL if the pool was destroyed or is not pinned, with EBUSY in a signal handler that cannot get the
 * pool's lock. sockmalloc_pool_pin also returns -1 with EBUSY in a handler that interrupted a purge of any pool's
 * block.
 */
int sockmalloc_pool_pin(struct sockmalloc_pool *pool);
int sockmalloc_pool_unpin(struct sockmalloc_pool *pool);

/*
 * sockmalloc_pool_chunks calls `visit` for each chunk, with its index, its start and the number of bytes of its blocks.
 * It stops when `visit` returns anything but 0, and returns this number. It returns 0 at the end, or -1 with EINVAL.
 * The index of a chunk stays as it is while the chunk exists; all chunks exist as long as the pool is pinned. The
 * indices have no gaps if the pool has never given a chunk back. When the pool grows, its new chunk has an index that
 * no other chunk of the pool has.
 */
typedef int sockmalloc_pool_chunk(void *context, int index, void *start, size_t length);
int sockmalloc_pool_chunks(struct sockmalloc_pool *pool, sockmalloc_pool_chunk *visit, void *context);

/* Returns the index of the chunk in which an address lies, or -1 with EINVAL if it lies in no chunk of this pool. */
int sockmalloc_pool_index(struct sockmalloc_pool *pool, const void *block);

/* Returns the start of the chunk with this index, or NULL with EINVAL if there is none. */
void *sockmalloc_pool_base(struct sockmalloc_pool *pool, int index);

/*
 * Fills in `source` so that a pool of the program's own, or another sockmalloc_pool, can get its memory from this pool.
 * source->allocate returns a block of this pool, or NULL with EINVAL if the size or the alignment is larger than the
 * block's. source->release frees the block. Returns 0, or -1 with EINVAL.
 */
int sockmalloc_pool_of_regions(struct sockmalloc_pool *pool, struct sockmalloc_pool_source *source);

#ifdef __cplusplus
}
#endif

#endif
