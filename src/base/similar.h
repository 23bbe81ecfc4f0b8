/* Finds the word that a user has probably meant by a mistyped one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SIMILAR_H
#define SOCKMALLOC_SIMILAR_H

/* The best candidate so far. It begins as {0}. `word` is NULL as long as no candidate is similar. */
struct similar {
    const char *word;
    unsigned edits;
};

/*
 * Compares a mistyped word with a candidate, and stores the candidate in *best if it is more similar than the ones
 * before. Candidates are similar if one edit leads from one word to the other, or two edits in a word of six characters
 * or more. An edit inserts, removes or replaces a character, or exchanges two that stand side by side. Small and
 * capital letters are equal, and so are '-' and '_'. A candidate is also similar if it begins with a mistyped word of
 * three characters or more. Words longer than 47 characters are similar to none.
 */
void similar_try(struct similar *best, const char *mistyped, const char *candidate);

#endif
