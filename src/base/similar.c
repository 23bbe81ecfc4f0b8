/* Finds the word that a user has probably meant, if the user has mistyped a word. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/similar.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/bounds.h"

/* The most characters of a word that is compared, and the most edits from a mistyped word to a similar one. */
enum { SIMILAR_LONGEST = 47, SIMILAR_MOST = 2 };

/* Returns the character in the form in which two words are compared: a capital becomes a small letter, and '-' becomes
 * '_'. */
static char similar_fold(char character)
{
    if (character >= 'A' && character <= 'Z') {
        return (char)(character - 'A' + 'a');
    }
    return character == '-' ? '_' : character;
}

static bool similar_equal(char one, char other)
{
    return similar_fold(one) == similar_fold(other);
}

/*
 * Returns how many edits lead from one word to the other (the optimal string alignment distance). Neither word may be
 * longer than SIMILAR_LONGEST.
 */
static unsigned similar_count_edits(const char *one, const char *other)
{
    /* row[i % 3][j] is the number of edits between the first i characters of `one` and the first j of `other`; only the
     * rows for the present i and for the two values before are kept */
    unsigned char row[3][SIMILAR_LONGEST + 1];
    size_t length = strlen(other);
    for (size_t j = 0; j <= length; j++) {
        row[0][j] = (unsigned char)j;
    }
    size_t i = 1;
    for (; one[i - 1] != '\0'; i++) {
        unsigned char *now = row[i % 3];
        const unsigned char *before = row[(i + 2) % 3];
        now[0] = (unsigned char)i;
        for (size_t j = 1; j <= length; j++) {
            unsigned char least = (unsigned char)(before[j - 1] + (similar_equal(one[i - 1], other[j - 1]) ? 0 : 1));
            least = LESSER(least, (unsigned char)(before[j] + 1));
            least = LESSER(least, (unsigned char)(now[j - 1] + 1));
            if (i > 1 && j > 1 && similar_equal(one[i - 1], other[j - 2]) && similar_equal(one[i - 2], other[j - 1])) {
                least = LESSER(least, (unsigned char)(row[(i + 1) % 3][j - 2] + 1));
            }
            now[j] = least;
        }
    }
    return row[(i + 2) % 3][length];
}

/* Returns true if `word` begins with `start`. */
static bool similar_begins(const char *word, const char *start)
{
    while (*start != '\0' && similar_equal(*word, *start)) {
        word++;
        start++;
    }
    return *start == '\0';
}

void similar_try(struct similar *best, const char *mistyped, const char *candidate)
{
    /* the fewest characters of a mistyped word that has similar ones, and of one that may be two edits from them */
    enum { SHORT = 3, LONG = 6 };
    size_t length = strlen(mistyped);
    if (length < SHORT || length > SIMILAR_LONGEST || strlen(candidate) > SIMILAR_LONGEST) {
        return;
    }
    unsigned edits = similar_count_edits(mistyped, candidate);
    if (edits > (length < LONG ? 1U : SIMILAR_MOST)) {
        /* SIMILAR_MOST + 1: the candidate begins with the mistyped word; SIMILAR_MOST + 2: it is not similar */
        edits = similar_begins(candidate, mistyped) ? SIMILAR_MOST + 1U : SIMILAR_MOST + 2U;
    }
    if (edits <= SIMILAR_MOST + 1U && (best->word == NULL || edits < best->edits)) {
        *best = (struct similar){candidate, edits};
    }
}
