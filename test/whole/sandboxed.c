/* These cases test that a program which has set a seccomp filter can still allocate, free and read statistics. The
 * library may then make only system calls that every malloc makes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sockmalloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "filter.h"
#include "outside.h"
#include "pools.h"

#pragma weak sockmalloc_statistic
#pragma weak sockmalloc_dump_as

enum { REPORT = 99, MILLISECONDS = 60, THREADS = 3, LIMIT = 64 };

/* --- the filter ------------------------------------------------------------------------ */

/* `malloc_calls` has the system calls that the library may make. It makes them in malloc and free, in regular purges,
 * in the background thread, and in its signal handler. `test_calls` has the system calls that the test itself needs. */
static const int malloc_calls[] = {SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_futex, SYS_brk};
static const int test_calls[] = {SYS_exit_group, SYS_rt_sigreturn};

/* The system calls that libc makes when threads begin and end, and when a process forks and waits. */
static const int thread_calls[] = {SYS_clone3,          SYS_clone, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rseq,
                                   SYS_set_robust_list, SYS_exit};
static const int fork_calls[] = {SYS_clone, SYS_set_robust_list, SYS_wait4};

static void report_call(int number, siginfo_t *info, void *context)
{
    char line[80];
    (void)number;
    (void)context;
    int length = snprintf(line, sizeof line, "system call %d is not allowed\n", info->si_syscall);
    _exit(write(REPORT, line, (size_t)length) == length ? 1 : 2);
}

static struct sock_filter steps[LIMIT];
static unsigned short count;

static void add(struct sock_filter step)
{
    CHECK(count < LIMIT);
    steps[count++] = step;
}

static void allow(const int *calls, size_t number)
{
    for (size_t i = 0; i < number; i++) {
        add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1));
        add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
}
#define ALLOW(calls) allow((calls), sizeof(calls) / sizeof(calls)[0])

/* Allows the system call write for the test's own descriptors, whose numbers are REPORT and above. */
static void allow_reports(void)
{
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3));
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, REPORT, 0, 1));
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

static void begin_filter(void)
{
    struct sigaction action = {.sa_sigaction = report_call, .sa_flags = SA_SIGINFO};
    CHECK(sizeof(long) == 8 && pools_are_active());
    CHECK_EQUAL(dup2(STDERR_FILENO, REPORT), REPORT);
    CHECK_EQUAL(sigaction(SIGSYS, &action, NULL), 0);
    CHECK_EQUAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    count = 0;
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    ALLOW(malloc_calls);
    ALLOW(test_calls);
}

static struct sock_fprog end_filter(void)
{
    allow_reports();
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
    return (struct sock_fprog){.len = count, .filter = steps};
}

static void sandbox_by_prctl(void)
{
    struct sock_fprog program = end_filter();
    CHECK_EQUAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Installs the filter for all threads at once, the library's background thread among them. */
static void sandbox_all(void)
{
    struct sock_fprog program = end_filter();
    CHECK_EQUAL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program), 0);
}

static void sandbox_by_the_system_call_of_prctl(void)
{
    struct sock_fprog program = end_filter();
    CHECK_EQUAL(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
}

/* Ends the process by exit and not by _exit, so that the filter also checks the system calls that the library makes at
 * exit. */
static _Noreturn void succeed(void)
{
    exit(EXIT_SUCCESS);
}

/* --- the work -------------------------------------------------------------------------- */

static uint64_t now(void)
{
    struct timespec time;
    /* this reads the clock without a system call (vdso); the filter would forbid a system call */
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void touch(char *block, size_t size)
{
    for (size_t at = 0; at < size && at < 256 * 1024; at += 4096) {
        block[at] = 1;
    }
}

static char *take(size_t size, unsigned form)
{
    void *aligned = NULL;
    switch (form % 4) {
    case 0:
        return calloc(1, size);
    case 1:
        return posix_memalign(&aligned, 4096, size) == 0 ? aligned : NULL;
    default:
        return malloc(size);
    }
}

/* Allocates many blocks of all sizes, resizes every third one to a larger or a smaller size, and frees them in another
 * order. */
static void churn(unsigned seed)
{
    enum { BLOCKS = 48 };
    char *held[BLOCKS];
    for (size_t size = 24; size <= (size_t)8 << 20; size *= 3) {
        unsigned blocks = size < 200000 ? BLOCKS : 4;
        for (unsigned i = 0; i < blocks; i++) {
            held[i] = take(size, seed + i);
            CHECK(held[i] != NULL);
            touch(held[i], size);
        }
        for (unsigned i = 0; i < blocks; i += 3) {
            held[i] = realloc(held[i], size * (i % 2 == 0 ? 2 : 1) / (i % 2 == 0 ? 1 : 8) + 1);
            CHECK(held[i] != NULL);
        }
        for (unsigned i = 0; i < blocks; i++) {
            free(held[(i * 7 + seed) % blocks]);
            held[(i * 7 + seed) % blocks] = NULL;
        }
        for (unsigned i = 0; i < blocks; i++) {
            free(held[i]);
        }
    }
}

/* Allocates and frees for at least MILLISECONDS. This is long enough for free slots to decay, for the library to purge
 * them, and for all code of the library that reads the clock to run. */
static void work(void)
{
    uint64_t end = now() + MILLISECONDS;
    unsigned seed = 0;
    do {
        churn(seed++);
    } while (now() < end);
    malloc_trim(0);
}

/* --- cases ----------------------------------------------------------------------------- */

CASE(takes_its_first_block_there)
{
    begin_filter();
    sandbox_by_prctl();
    work();
    succeed();
}

/*
 * The name of a case. If the program is started for this case, a constructor installs a seccomp filter before main
 * begins. The filter kills the process if any code creates a thread. So the library may not start its background thread
 * when main begins.
 */
static const char before_main[] = "main_begins_there";

__attribute__((constructor)) static void forbid_threads(int words, char **word)
{
    if (words > 1 && strcmp(word[1], before_main) == 0) {
        filter_forbid(SYS_clone3);
        filter_forbid(SYS_clone);
    }
}

CASE(main_begins_there)
{
    CHECK_EQUAL(prctl(PR_GET_SECCOMP), SECCOMP_MODE_FILTER);
    work();
    succeed();
}

CASE(goes_on_there)
{
    work();
    begin_filter();
    sandbox_by_the_system_call_of_prctl();
    work();
    succeed();
}

static _Atomic unsigned begun;
static _Atomic unsigned done;

/* Returns when all other threads sleep. By then libc has made the system calls that begin each thread, and the
 * library's background thread has made those that it needs at its start. */
static void await_sleep_of_others(void)
{
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads != NULL);
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
        pid_t thread = (pid_t)atoi(entry->d_name);
        if (thread != 0 && thread != gettid()) {
            outside_await_sleep(thread);
        }
    }
    CHECK_EQUAL(closedir(threads), 0);
}

/*
 * Threads wait by futex on these two words: on the first until the process has its filter, and on the second for ever.
 */
static _Atomic uint32_t sandboxed;
static _Atomic uint32_t forever;

static void *work_when_sandboxed(void *before)
{
    if (before != NULL) {
        work();
    }
    atomic_fetch_add(&begun, 1);
    while (atomic_load(&sandboxed) == 0) {
        syscall(SYS_futex, &sandboxed, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
    work();
    atomic_fetch_add(&done, 1);
    for (;;) {
        syscall(SYS_futex, &forever, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
    return NULL;
}

CASE(threads_go_on_there)
{
    pthread_t thread;
    work(); /* after this call the library has started its background thread, if the settings enable it */
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_create(&thread, NULL, work_when_sandboxed, (void *)(i % 2)), 0);
    }
    while (atomic_load(&begun) < THREADS) {
        sched_yield();
    }
    await_sleep_of_others();
    begin_filter();
    sandbox_all();
    atomic_store(&sandboxed, 1);
    syscall(SYS_futex, &sandboxed, FUTEX_WAKE_PRIVATE, THREADS, NULL, NULL, 0);
    while (atomic_load(&done) < THREADS) {
        work();
    }
    succeed();
}

static void *work_in_a_thread(void *unused)
{
    work();
    return unused;
}

CASE(threads_begin_and_end_there)
{
    pthread_t thread[THREADS];
    await_sleep_of_others(); /* the library's background thread makes calls at its start that the filter forbids */
    begin_filter();
    ALLOW(thread_calls);
    sandbox_all();
    for (unsigned round = 0; round < 3; round++) {
        check_start(thread, THREADS, work_in_a_thread, NULL);
        check_join(thread, THREADS);
    }
    succeed();
}

static void work_in_a_child(unsigned depth)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        work();
        if (depth > 0) {
            work_in_a_child(depth - 1);
        }
        _exit(EXIT_SUCCESS);
    }
    work();
    check_wait(child);
}

CASE(forks_there)
{
    work();
    begin_filter();
    ALLOW(fork_calls);
    sandbox_by_prctl();
    work_in_a_child(1);
    succeed();
}

/* A child installs a seccomp filter that its parent does not have, and the child's own children inherit the filter. The
 * parent can still get the resident bytes, for which the library needs a system call that the filter forbids. */
CASE(child_has_a_filter_of_its_own)
{
    uint64_t figure = 0;
    if (check_is_child()) {
        forks_there();
    }
    CHECK_EQUAL(sockmalloc_statistic("resident", &figure), 0);
}

struct answers {
    _Atomic bool sandboxed;
    _Atomic unsigned signals;
    _Atomic bool over;
};
static struct answers *answers;

static void answer(int number)
{
    (void)number;
    atomic_fetch_add(&answers->signals, 1);
}

/* Sends the stats signal to `target` with the value that requests only statistics. Then sends the signal without a
 * value, again and again, until the program's handler has run. Does all this QUESTIONS times. */
static void ask(pid_t target)
{
    enum { QUESTIONS = 40 };
    while (!atomic_load(&answers->sandboxed)) {
        sched_yield();
    }
    for (unsigned i = 0; i < QUESTIONS; i++) {
        union sigval dump_only = {.sival_int = SOCKMALLOC_DUMP_ONLY};
        unsigned before = atomic_load(&answers->signals);
        CHECK_EQUAL(sigqueue(target, SIGUSR1, dump_only), 0);
        while (atomic_load(&answers->signals) == before) {
            CHECK_EQUAL(kill(target, SIGUSR1), 0);
            sched_yield();
        }
    }
    atomic_store(&answers->over, true);
}

CASE(is_signalled_there)
{
    pid_t target = getpid();
    signal(SIGUSR1, answer);
    answers = mmap(NULL, sizeof *answers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(answers != MAP_FAILED);
    begin_filter();
    pid_t asker = fork();
    CHECK(asker >= 0);
    if (asker == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        ask(target);
        _exit(EXIT_SUCCESS);
    }
    ALLOW(((const int[]){SYS_wait4}));
    sandbox_by_prctl();
    atomic_store(&answers->sandboxed, true);
    while (!atomic_load(&answers->over)) {
        churn(atomic_load(&answers->signals));
    }
    check_wait(asker);
    succeed();
}

/* Makes a file of `size` bytes, stores its descriptor, and returns its content as mapped memory, so that the content
 * can be read without a system call. */
static char *make_file(int *descriptor, size_t size)
{
    int file = memfd_create("table", MFD_CLOEXEC);
    CHECK(file >= 0);
    CHECK_EQUAL(ftruncate(file, (off_t)size), 0);
    *descriptor = fcntl(file, F_DUPFD_CLOEXEC, REPORT + 1);
    CHECK(*descriptor > REPORT);
    char *text = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    CHECK(text != MAP_FAILED);
    return text;
}

static bool holds(const char *text, const char *words)
{
    return strstr(text, words) != NULL;
}

/* Behind the seccomp filter the program calls the functions of sockmalloc.h. They return every figure but those for
 * which the library would need a forbidden system call. */
CASE(is_asked_there)
{
    enum { FILE_SIZE = 1 << 20 };
    int file[3];
    const char *text[3];
    uint64_t figure = 42;
    work();
    for (unsigned i = 0; i < 3; i++) {
        text[i] = make_file(&file[i], FILE_SIZE);
    }
    CHECK_EQUAL(sockmalloc_statistic("resident", &figure), 0);
    begin_filter();
    sandbox_by_prctl();
    char *block = malloc(20000);
    CHECK(mallinfo2().uordblks >= 20000);
    CHECK(malloc_usable_size(block) >= 20000);
    CHECK_EQUAL(sockmalloc_statistic("16k.live", &figure), 0);
    CHECK_EQUAL(figure, 1);
    CHECK_EQUAL(sockmalloc_statistic("resident", &figure), (uint64_t)-1);
    CHECK_EQUAL(sockmalloc_statistic("16k.resident_free", &figure), (uint64_t)-1);
    CHECK_EQUAL(figure, 1);
    CHECK_EQUAL(sockmalloc_dump_as(file[0], "text"), 0);
    CHECK_EQUAL(sockmalloc_dump_as(file[1], "json"), 0);
    CHECK_EQUAL(sockmalloc_dump_as(file[2], "prometheus"), 0);
    CHECK(holds(text[0], " unknown ") && holds(text[0], "\nend of statistics of process "));
    CHECK(holds(text[1], "\"resident\":null,\"resident_live\":null,"));
    CHECK(holds(text[2], "# TYPE sockmalloc_resident_bytes gauge\n"));
    CHECK(!holds(text[2], "sockmalloc_resident_bytes{"));
    CHECK(holds(text[2], "sockmalloc_live_slots{"));
    free(block);
    succeed();
}

/* Programs call prctl and seccomp with wrong arguments to learn which filters the kernel has. Such a call installs no
 * filter, and the library must not act as if it had. */
CASE(question_is_no_filter)
{
    enum { SIZE = 16384 };
    struct sock_fprog empty = {0};
    uint64_t figure;
    char *block = malloc(SIZE);
    CHECK(block != NULL);
    memset(block, 1, SIZE);
    CHECK_EQUAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQUAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL), -1);
    CHECK_EQUAL(errno, EFAULT);
    CHECK_EQUAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &empty), -1);
    CHECK_EQUAL(errno, EINVAL);
    CHECK_EQUAL(prctl(PR_GET_SECCOMP), 0);
    CHECK_EQUAL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL), -1);
    CHECK_EQUAL(errno, EFAULT);
    CHECK_EQUAL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &empty), -1);
    CHECK_EQUAL(errno, EINVAL);
    /* the figure is returned, because the process has no filter */
    CHECK_EQUAL(sockmalloc_statistic("resident", &figure), 0);
    CHECK(figure >= SIZE);
    free(block);
}

/*
 * The library wraps the function syscall. The wrapper passes all arguments on, and returns the result and errno, as
 * libc's own syscall does.
 */
CASE(syscall_passes_everything_on)
{
    enum { PAGE = 4096 };
    int file = memfd_create("pages", MFD_CLOEXEC);
    CHECK(file >= 0 && ftruncate(file, 2 * PAGE) == 0);
    CHECK_EQUAL(pwrite(file, "second", 6, PAGE), 6);
    const char *page = (const char *)syscall(SYS_mmap, NULL, (size_t)PAGE, PROT_READ, MAP_SHARED, file, (off_t)PAGE);
    CHECK(memcmp(page, "second", 6) == 0);
    CHECK_EQUAL(syscall(SYS_getpid), getpid());
    errno = 0;
    CHECK_EQUAL(syscall(SYS_close, -1), -1);
    CHECK_EQUAL(errno, EBADF);
    char random[16] = {0};
    CHECK_EQUAL(syscall(SYS_getrandom, random, sizeof random, 0), sizeof random);
    char name[16] = "";
    CHECK_EQUAL(prctl(PR_SET_NAME, "another"), 0);
    CHECK_EQUAL(syscall(SYS_prctl, PR_GET_NAME, name, 0, 0, 0), 0);
    CHECK_EQUAL(strcmp(name, "another"), 0);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (child == 0) {
        _exit(EXIT_SUCCESS);
    }
    check_wait(child);
}

CASE(the_filter_does_trap)
{
    begin_filter();
    sandbox_by_prctl();
    getppid();
}
