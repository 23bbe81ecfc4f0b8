/* Finds the word that a user has probably meant, if the user has mistyped a word. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SIMILAR_H
#define SOCKMALLOC_SIMILAR_H

/* The candidate that is most similar to the mistyped word so far. The caller sets it to {0} first. `word` is NULL as
 * long as no candidate is similar. */
struct similar {
    const char *word;
    unsigned edits;
};

/*
 * Compares a mistyped word with a candidate, and stores the candidate in *best if it is more similar than all earlier
 * candidates. Candidates are similar if one edit leads from one word to the other, or two edits in a word of six
 * characters or more. An edit inserts, removes or replaces a character, or exchanges two that stand side by side. Small
 * and capital letters are equal, and so are '-' and '_'. A candidate is also similar if the mistyped word, of three
 * characters or more, is its beginning. A mistyped word shorter than three characters, or any word longer than 47, is
 * similar to none.
 */
void similar_try(struct similar *best, const char *mistyped, const char *candidate);

#endif
