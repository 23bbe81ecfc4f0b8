/* Tests that the command's code neither crashes nor hangs when it reads another process whose counters are false, or a
 * damaged recording. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/look.h"
#include "command/pool_format.h"
#include "command/recording.h"
#include "statistics/format.h"

/*
 * usage: views COUNT SEED FORGER. FORGER is the path of the test program `forger`. This program starts several
 * processes of it, which preload the library that the environment variable FORGER_PRELOAD names. For each of COUNT
 * seeds from SEED on, one of these processes forges its own counters, and this program reads the counters by the
 * command's code. Then this program changes bytes of a recording, and reads the recording by the command's code. If the
 * command's code fails, the seed is printed on stdout, and a run with this seed repeats the failure. The command's
 * messages about recordings go to stderr.
 */

/* PATIENCE_MS: the time limit for reading another process, in milliseconds. RECORDING_SIZE: bytes. FORGERS: how many
 * processes of FORGER run at the same time. */
enum { PATIENCE_MS = 2000, RECORDING_SIZE = 64 << 10, FORGERS = 4 };

/* How many KiB larger than this program the child process that reads other processes may get: REMOTE_SNAPSHOT_BYTES for
 * its copies of a process's data, and 24 MiB for the rest. */
enum { MEMORY_KIB = (REMOTE_SNAPSHOT_BYTES >> 10) + (24 << 10) };

static uint64_t seed;
static unsigned faults;
static unsigned long pools_read;
static unsigned outcomes[REMOTE_IN_THE_WAY + 1];

static void fault(const char *words)
{
    printf("seed %lu: %s\n", (unsigned long)seed, words);
    faults++;
}

static uint64_t state; /* of the random numbers; set from the seed */

/* Returns a random number from 0 to below - 1. */
static uint64_t draw(uint64_t below)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = (state ^ (state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (mixed ^ (mixed >> 31)) % below;
}

/* --- checks of the text that the command's code prints --- */

static void check_printed(enum format format, const struct text *text)
{
    if (text->cut) {
        fault("a report does not fit its buffer");
    }
    for (size_t i = 0; i < text->used; i++) {
        unsigned char byte = (unsigned char)text->start[i];
        if ((byte < 0x20 && byte != '\n') || byte == 0x7f) {
            fault("a control character is printed");
            return;
        }
    }
    if (format == FORMAT_JSON && strchr(text->start, '\n') != text->start + text->used - 1) {
        fault("the JSON text is not one line");
    }
}

static void check_formats(const struct snapshot *snapshot, const struct bucket_plan *plan)
{
    static char buffer[FORMAT_SIZE];
    for (unsigned format = 0; format < FORMAT_COUNT; format++) {
        struct text text = text_begin(buffer, sizeof buffer);
        format_print((enum format)format, snapshot, plan, &text);
        format_print_end((enum format)format, snapshot, &text);
        check_printed((enum format)format, &text);
    }
}

/* Formats pools as JSON, and checks the text. pool_format_json writes one line without the newline at its end. */
static void check_pools(const struct remote_pools *pools)
{
    static char buffer[POOL_FORMAT_SIZE];
    struct text text = text_begin(buffer, sizeof buffer);
    pool_format_json(pools, &text);
    text_add(&text, "\n");
    check_printed(FORMAT_JSON, &text);
}

/* --- reading the forgers' counters --- */

struct forger {
    pid_t process;
    FILE *orders;
    FILE *answers;
};

static struct forger forgers[FORGERS];

static struct forger begin_forger(const char *path, const char *kind)
{
    int in[2];
    int out[2];
    if (pipe(in) != 0 || pipe(out) != 0) {
        exit(2);
    }
    pid_t process = fork();
    if (process == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int descriptor = STDERR_FILENO + 1; descriptor < 64; descriptor++) {
            close(descriptor);
        }
        setenv("LD_PRELOAD", getenv("FORGER_PRELOAD"), 1);
        setenv("SOCKMALLOC_POOL", kind, 1);
        execl(path, path, (char *)NULL);
        _exit(2);
    }
    close(in[0]);
    close(out[1]);
    return (struct forger){process, fdopen(in[1], "w"), fdopen(out[0], "r")};
}

static void order(const struct forger *forger, const char *words)
{
    char answer[16];
    fprintf(forger->orders, "%s\n", words);
    fflush(forger->orders);
    if (fgets(answer, sizeof answer, forger->answers) == NULL) {
        printf("seed %lu: the forger ended\n", (unsigned long)seed);
        exit(2);
    }
}

/* Returns the peak size, in KiB, of the address space of the child process that reads other processes, or 0 if there is
 * no child. */
static unsigned long peak_of_child(void)
{
    char path[64];
    char line[256];
    unsigned long peak = 0;
    int child = look_child();
    snprintf(path, sizeof path, "/proc/%d/status", child);
    FILE *file = child != 0 ? fopen(path, "re") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "VmPeak: %lu", &peak);
    }
    if (file != NULL) {
        fclose(file);
    }
    return peak;
}

/* Returns the size of this program's address space in KiB. */
static unsigned long own_size(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%lu", &pages) != 1) {
        exit(2);
    }
    fclose(file);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

/* Counts the result of a reading. Results that a forgery cannot cause are faults. */
static void count(enum remote_process_state found)
{
    outcomes[found]++;
    if (found == REMOTE_BROKEN) {
        fault("the child that reads the forger has crashed");
    } else if (found == REMOTE_GONE || found == REMOTE_UNTRIED) {
        fault("the forger cannot be read");
    }
}

static void look_at(const struct forger *forger)
{
    static struct snapshot snapshot;
    static struct remote_linkmap loaded;
    struct remote_process target;
    remote_process_open(&target, forger->process);
    enum remote_process_state found = look_find(&target);
    if (found == REMOTE_READ) {
        found = look_take(&target, &snapshot);
    }
    count(found);
    if (found == REMOTE_READ) {
        check_formats(&snapshot, &remote_snapshot_plan);
    }
    static struct remote_pools pools;
    enum remote_process_state shown = found == REMOTE_READ ? look_at_pools(&target, &pools) : found;
    if (shown == REMOTE_BROKEN) {
        fault("the child that reads the pools has crashed");
    } else if (shown == REMOTE_READ) {
        pools_read += pools.count + pools.buffers.messages + pools.buffers.rings;
        check_pools(&pools);
    }
    if (look_find_loaded(&target, &loaded) == REMOTE_BROKEN) {
        fault("the child that reads the list of loaded objects has crashed");
    }
    if (peak_of_child() > own_size() + MEMORY_KIB) {
        fault("the child that reads the forger took too much memory");
    }
}

/*
 * Stops, LOOKS times, the child process that reads other processes. look_find then gets no answer for SHORT_MS
 * milliseconds, kills the child, and waits for its end for a second at most. At the end, at most half of the children
 * may still be zombies, because on a busy machine a child may need more than a second to end.
 */
static void check_given_up(const struct forger *forger)
{
    enum { SHORT_MS = 20, LOOKS = 20 };
    struct remote_process target;
    unsigned zombies = 0;
    look_open(SHORT_MS);
    remote_process_open(&target, forger->process);
    for (unsigned i = 0; i < LOOKS; i++) {
        look_find(&target);
        if (look_child() != 0) {
            kill(look_child(), SIGSTOP);
        }
        look_find(&target);
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) {
        zombies++;
    }
    if (zombies > LOOKS / 2) {
        fault("children that were killed stay as zombies");
    }
}

/* --- recordings --- */

static char whole[RECORDING_SIZE];
static size_t whole_size;

static void put(const void *bytes, size_t size)
{
    if (size > sizeof whole - whole_size) {
        printf("RECORDING_SIZE is too small\n");
        exit(2);
    }
    memcpy(whole + whole_size, bytes, size);
    whole_size += size;
}

/* Writes a correct recording of the forger into `whole`: a head, one sample, and an end mark. */
static void record(const struct forger *forger)
{
    static struct recording_head head;
    static struct recording_sample sample;
    struct remote_process target;
    remote_process_open(&target, forger->process);
    if (look_find(&target) != REMOTE_READ || look_take(&target, &sample.snapshot) != REMOTE_READ) {
        printf("the forger cannot be read before it forges anything\n");
        exit(2);
    }
    recording_begin(&head, &sample.snapshot, &remote_snapshot_plan);
    sample.time = 1;
    put(&head, sizeof head);
    put(&sample, sizeof sample);
    sample.number = 1;
    sample.time = 0;
    put(&sample, sizeof sample);
}

/* Overwrites up to seven random places of the `size` bytes at `bytes`: each with all ones or with a single one bit, and
 * each one byte or eight bytes long. */
static void mutate(char *bytes, size_t size)
{
    for (uint64_t left = draw(8); left > 0; left--) {
        size_t at = draw(size);
        uint64_t word = draw(2) == 0 ? UINT64_MAX : UINT64_C(1) << draw(64);
        size_t part = draw(3) == 0 ? 1 : 8;
        memcpy(bytes + at, &word, part < size - at ? part : size - at);
    }
}

/* Changes a copy of the recording at random, sometimes cuts its end off, and reads it by the command's code. */
static void read_recording(void)
{
    static char bytes[RECORDING_SIZE];
    static struct recording_head head;
    static struct recording_sample sample;
    memcpy(bytes, whole, whole_size);
    /* In seven of eight recordings, the bytes in front of the head's field `process` stay unchanged. If one of these
     * bytes is wrong, recording_open refuses the file at once, and little code is tested. */
    size_t skipped = draw(8) == 0 ? 0 : offsetof(struct recording_head, process);
    mutate(bytes + skipped, whole_size - skipped);
    FILE *file = fmemopen(bytes, draw(8) == 0 ? 1 + draw(whole_size) : whole_size, "r");
    if (file == NULL) {
        exit(2);
    }
    sample.number = 0;
    if (recording_open(file, "recording", &head) == EXIT_DONE) {
        while (recording_next(file, &head, &sample) == RECORDING_SAMPLE) {
            check_formats(&sample.snapshot, &head.plan);
        }
    }
    fclose(file);
}

/* --- the main function --- */

/* The handler of SIGSEGV and similar signals: prints the current seed and ends this program with status 1. */
static void crashed(int number)
{
    dprintf(STDOUT_FILENO, "seed %lu: ended by signal %d\n", (unsigned long)seed, number);
    _exit(1);
}

int main(int argc, char **argv)
{
    static const char *const kinds[FORGERS] = {"thread", "cpu", "lockfree", "standard"};
    if (argc != 4 || getenv("FORGER_PRELOAD") == NULL) {
        printf("usage: views COUNT SEED FORGER\n");
        return 2;
    }
    unsigned long seeds = strtoul(argv[1], NULL, 10);
    uint64_t first = strtoul(argv[2], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
    signal(SIGFPE, crashed);
    signal(SIGPIPE, SIG_IGN);
    look_open(PATIENCE_MS);
    for (unsigned i = 0; i < FORGERS; i++) {
        forgers[i] = begin_forger(argv[3], kinds[i]);
        order(&forgers[i], "restore");
    }
    record(&forgers[0]);
    for (seed = first; seed < first + seeds; seed++) {
        char words[64];
        const struct forger *forger = &forgers[seed % FORGERS];
        state = seed;
        snprintf(words, sizeof words, "draw 0 %lx", (unsigned long)seed);
        order(forger, words);
        look_at(forger);
        read_recording();
    }
    check_given_up(&forgers[0]);
    for (unsigned i = 0; i < FORGERS; i++) {
        /* Closing the pipe of its orders would not end the forger, because the child process that reads other processes
         * has that pipe open too. So the forger is killed. */
        kill(forgers[i].process, SIGKILL);
        if (waitpid(forgers[i].process, NULL, 0) < 0) {
            return 2;
        }
    }
    printf("read %u, senseless %u, too large %u, late %u, without %u, other %u, in the way %u, pools %lu\n",
           outcomes[REMOTE_READ], outcomes[REMOTE_SENSELESS], outcomes[REMOTE_TOO_LARGE], outcomes[REMOTE_LATE],
           outcomes[REMOTE_WITHOUT], outcomes[REMOTE_OTHER] + outcomes[REMOTE_UNINITIALISED],
           outcomes[REMOTE_IN_THE_WAY], pools_read);
    printf("%lu views and recordings, %u faults\n", seeds, faults);
    return faults > 0 ? 1 : 0;
}
