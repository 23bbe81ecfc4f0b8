/* Captures what this process, or a child process that may die, prints on stderr. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/capture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/message.h"
#include "support/crew.h"

/*
 * the time limit of a child in seconds; it is far more than any test needs on a busy machine, so it only ends a child
 * that hangs
 */
enum { CHILD_SECONDS = 120 };

static void capture_child(int words, capture_work *work, void *argument)
{
    /* The child may be expected to die by a signal. Then it must leave no core file, and no handler of Criterion may
     * catch the signal. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGABRT, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_SECONDS);
    dup2(words, STDERR_FILENO);
    close(words);
    message_open();
    work(argument);
    if (crew_fault() != NULL) {
        message_write(STDERR_FILENO, crew_fault(), strlen(crew_fault()));
        _exit(1);
    }
    _exit(0);
}

static void capture_read(int words, char *buffer, size_t size)
{
    size_t used = 0;
    for (;;) {
        ssize_t length = read(words, buffer + used, size - 1 - used);
        if (length < 0 && errno == EINTR) {
            continue;
        }
        if (length <= 0) {
            break;
        }
        used += (size_t)length;
    }
    buffer[used] = '\0';
}

void capture_run(struct capture *capture, capture_work *work, void *argument)
{
    int ends[2];
    *capture = (struct capture){.status = -1};
    if (!CHECK(pipe(ends) == 0)) {
        return;
    }
    capture->pid = fork();
    if (capture->pid == 0) {
        close(ends[0]);
        capture_child(ends[1], work, argument);
    }
    close(ends[1]);
    if (CHECK(capture->pid > 0)) {
        capture_read(ends[0], capture->words, sizeof capture->words);
        while (waitpid(capture->pid, &capture->status, 0) < 0 && errno == EINTR) {
        }
    }
    close(ends[0]);
}

bool capture_is_clean(const struct capture *capture)
{
    return WIFEXITED(capture->status) && WEXITSTATUS(capture->status) == 0;
}

void capture_clean(capture_work *work, void *argument)
{
    struct capture capture;
    capture_run(&capture, work, argument);
    cr_assert(capture_is_clean(&capture), "status %x: %s", (unsigned)capture.status, capture.words);
}

static void capture_death(struct capture *capture, capture_work *work, void *argument, int signal_number)
{
    capture_run(capture, work, argument);
    cr_assert(WIFSIGNALED(capture->status) && WTERMSIG(capture->status) == signal_number,
              "the child ended with status %x, not by signal %d: %s", (unsigned)capture->status, signal_number,
              capture->words);
}

void capture_abort(capture_work *work, void *argument, const char *wanted)
{
    struct capture capture;
    capture_death(&capture, work, argument, SIGABRT);
    const char *end = strchr(capture.words, '\n');
    cr_assert(end != NULL && end[1] == '\0', "not one line: %s", capture.words);
    cr_assert_not_null(strstr(capture.words, wanted), "'%s' is not in: %s", wanted, capture.words);
}

void capture_fault(capture_work *work, void *argument)
{
    struct capture capture;
    capture_death(&capture, work, argument, SIGSEGV);
}

static int stderr_kept = -1;
static int stderr_file = -1;

void capture_begin(void)
{
    stderr_kept = dup(STDERR_FILENO);
    stderr_file = memfd_create("stderr", MFD_CLOEXEC);
    cr_assert(stderr_kept >= 0 && stderr_file >= 0);
    cr_assert_eq(dup2(stderr_file, STDERR_FILENO), STDERR_FILENO);
    message_open();
}

const char *capture_end(void)
{
    static char words[8192];
    dup2(stderr_kept, STDERR_FILENO);
    close(stderr_kept);
    lseek(stderr_file, 0, SEEK_SET);
    capture_read(stderr_file, words, sizeof words);
    close(stderr_file);
    return words;
}
