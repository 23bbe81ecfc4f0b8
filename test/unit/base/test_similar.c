/* Tests of base/similar.c, which finds the word that was probably meant by a mistyped one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "base/similar.h"

static const char *const words[] = {"list", "stat", "record", "top", "stats-at-exit", "MIN", "MAX"};

/* Returns the known word that is most similar to the mistyped one, or "" if none is similar. */
static const char *meant(const char *mistyped)
{
    struct similar best = {0};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        similar_try(&best, mistyped, words[i]);
    }
    return best.word != NULL ? best.word : "";
}

Test(similar, one_edit)
{
    cr_expect_str_eq(meant("stats"), "stat");
    cr_expect_str_eq(meant("sta"), "stat");
    cr_expect_str_eq(meant("stot"), "stat");
    cr_expect_str_eq(meant("satt"), "stat");
    cr_expect_str_eq(meant("lits"), "list");
    cr_expect_str_eq(meant("tpo"), "top");
    cr_expect_str_eq(meant("LIST"), "list");
}

Test(similar, two_edits_in_a_long_word_alone)
{
    cr_expect_str_eq(meant("rekort"), "record");
    cr_expect_str_eq(meant("stats_at_exti"), "stats-at-exit");
    cr_expect_str_eq(meant("lsits"), "");
    cr_expect_str_eq(meant("rxxxrd"), "");
}

Test(similar, a_beginning)
{
    cr_expect_str_eq(meant("rec"), "record");
    cr_expect_str_eq(meant("stats-at"), "stats-at-exit");
    cr_expect_str_eq(meant("re"), "");
}

Test(similar, nothing_like_it)
{
    static const char longer[] = "stat-with-a-name-that-no-option-has-and-more-of-it";
    cr_expect_str_eq(meant(""), "");
    cr_expect_str_eq(meant("st"), "");
    cr_expect_str_eq(meant("prometheus"), "");
    cr_expect_str_eq(meant(longer), "");
    struct similar best = {0};
    similar_try(&best, "statx", longer);
    cr_expect_null(best.word);
}

Test(similar, the_nearest_wins)
{
    struct similar best = {0};
    similar_try(&best, "recard", "regard");
    similar_try(&best, "recard", "recart");
    cr_expect_str_eq(best.word, "regard", "of two words that are equally similar, the first one is kept");
    similar_try(&best, "recard", "recard");
    cr_expect_str_eq(best.word, "recard");
}
