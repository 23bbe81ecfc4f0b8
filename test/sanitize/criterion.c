/* Replaces Criterion in builds with a sanitizer: runs each unit test in a child process, as Criterion does, and counts
 * the results. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* a sanitizer makes a program about SLOWDOWN times slower */
enum { SECONDS = 120, SLOWDOWN = 10, CODE_SKIPPED = 77 };

static struct criterion_test *tests;

void criterion_add(struct criterion_test *test)
{
    test->next = tests;
    tests = test;
}

void criterion_expect(bool holds, const char *file, int line, const char *what, const char *format, ...)
{
    if (!holds) {
        va_list list;
        va_start(list, format);
        fprintf(stderr, "%s:%d: %s:", file, line, what);
        vfprintf(stderr, format, list);
        fprintf(stderr, "\n");
        va_end(list);
        _exit(1);
    }
}

void criterion_skip(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "skipped: ");
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    _exit(CODE_SKIPPED);
}

/* Returns the options of a test. Options that the test itself does not set are taken from its suite. */
static struct criterion_options criterion_options_of(const struct criterion_test *test)
{
    struct criterion_options options = test->options;
    for (const struct criterion_test *suite = tests; suite != NULL; suite = suite->next) {
        if (suite->body == NULL && strcmp(suite->suite, test->suite) == 0) {
            options.init = options.init != NULL ? options.init : suite->options.init;
            options.fini = options.fini != NULL ? options.fini : suite->options.fini;
            options.timeout = options.timeout > 0 ? options.timeout : suite->options.timeout;
        }
    }
    return options;
}

static __attribute__((noreturn)) void criterion_live(const struct criterion_test *test,
                                                     const struct criterion_options *options)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(options->timeout > 0 ? (unsigned)options->timeout * SLOWDOWN : SECONDS);
    if (options->init != NULL) {
        options->init();
    }
    test->body();
    if (options->fini != NULL) {
        options->fini();
    }
    exit(0);
}

static bool criterion_run(const struct criterion_test *test)
{
    struct criterion_options options = criterion_options_of(test);
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        criterion_live(test, &options);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return false;
    }
    int died_by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    bool passed = died_by == options.signal && code == 0;
    if (!passed) {
        fprintf(stderr, "failed: %s, %s: code %d, signal %d%s\n", test->suite, test->name, code, died_by,
                died_by == SIGALRM ? ", which is to say that it hung" : "");
    }
    return passed;
}

/* Returns true if one of `words` is SUITE/NAME of the test. */
static bool criterion_is_named(const struct criterion_test *test, char **words)
{
    size_t suite = strlen(test->suite);
    for (; *words != NULL; words++) {
        if (strncmp(*words, test->suite, suite) == 0 && (*words)[suite] == '/' &&
            strcmp(*words + suite + 1, test->name) == 0) {
            return true;
        }
    }
    return false;
}

/* Runs all tests except those that the arguments name. */
int main(int count, char **words)
{
    unsigned passed = 0;
    unsigned failed = 0;
    (void)count;
    for (const struct criterion_test *test = tests; test != NULL; test = test->next) {
        if (test->body != NULL && !criterion_is_named(test, words + 1)) {
            bool good = criterion_run(test);
            passed += good;
            failed += !good;
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
