/* SPDX-License-Identifier: MIT
 *
 * vectors.h - finds and reads the vector files that tests share, and turns hex into bytes.
 *
 * COVEY_DATA names the folder; without it, "../shared" beside the source tree, which the tests'
 * CMakeLists.txt gives as COVEY_SOURCE_DIR.
 */
#ifndef COVEY_TESTS_VECTORS_H
#define COVEY_TESTS_VECTORS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The whole file with a final zero, to be freed; NULL if it cannot be read. */
static inline char *vectors_read_file(const char *path, size_t *out_len)
{
    char *text = NULL;
    size_t len = 0;
    size_t cap = 4096;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    for (;;) {
        char *grown = realloc(text, cap + 1);
        if (grown == NULL) {
            break;
        }
        text = grown;
        len += fread(text + len, 1, cap - len, file);
        if (len < cap) {
            break;
        }
        cap *= 2;
    }
    if (text != NULL && (ferror(file) != 0 || len == cap)) {
        free(text);
        text = NULL;
    }
    fclose(file);
    if (text != NULL) {
        text[len] = '\0';
        *out_len = len;
    }
    return text;
}

/* The file at path inside the shared folder; NULL, said on standard error, if it is not there. */
static inline char *vectors_load(const char *path, size_t *out_len)
{
    char full[4096];
    const char *root = getenv("COVEY_DATA");
    int len = root != NULL
                  ? snprintf(full, sizeof(full), "%s/%s", root, path)
                  : snprintf(full, sizeof(full), "%s/../shared/%s", COVEY_SOURCE_DIR, path);
    char *text = NULL;
    if (len > 0 && (size_t)len < sizeof(full)) {
        text = vectors_read_file(full, out_len);
    }
    if (text == NULL) {
        fprintf(stderr, "skipped: %s cannot be read (set COVEY_DATA)\n", full);
    }
    return text;
}

static inline int vectors_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Bytes of the hex string; -1 if it is not hex, of odd length, or longer than cap bytes. */
static inline long vectors_from_hex(const char *hex, uint8_t *out, size_t cap)
{
    size_t len = 0;
    for (; hex[0] != '\0'; hex += 2) {
        int high = vectors_hex_digit(hex[0]);
        int low = high < 0 ? -1 : vectors_hex_digit(hex[1]);
        if (low < 0 || len == cap) {
            return -1;
        }
        out[len++] = (uint8_t)(high << 4 | low);
    }
    return (long)len;
}

#endif /* COVEY_TESTS_VECTORS_H */
