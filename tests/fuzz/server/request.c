/* request.c - any bytes as a request: read at once or byte by byte, the parser says the same, save
 * that of two faults either may be the reason.
 */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct tlr__limits limits = {
    .head_bytes = 4096, .request_line_bytes = 2048, .body_bytes = 1024};

/* What came of it: all of it has to be the same, however the bytes came. */
struct outcome {
    enum tlr__parse_result head, body;
    unsigned field_count;
    size_t head_bytes, body_bytes;
    char body_text[1024];
};

static void read_body(struct tlr__parser *parser, const char *text, size_t size, size_t step,
                      struct outcome *outcome) {
    size_t given = 0, taken = 0;
    outcome->body = TLR__PARSE_MORE;
    while (outcome->body == TLR__PARSE_MORE && given < size) {
        given = size - given < step ? size : given + step;
        size_t used = 0;
        outcome->body = tlr__parser_read_body(parser, text + taken, given - taken, &used);
        if (outcome->body == TLR__PARSE_REFUSED) break;
        if (used > given - taken) abort();
        taken += used;
    }
    const char *body = tlr__parser_body(parser, &outcome->body_bytes);
    if (outcome->body != TLR__PARSE_DONE) outcome->body_bytes = 0;
    if (outcome->body_bytes > sizeof outcome->body_text) abort();
    if (outcome->body_bytes > 0) memcpy(outcome->body_text, body, outcome->body_bytes);
}

static void read_request(const uint8_t *bytes, size_t size, size_t step, struct outcome *outcome) {
    memset(outcome, 0, sizeof *outcome);
    struct tlr__parser *parser = tlr__parser_open(&limits);
    char *text = malloc(size + 1);
    if (parser == NULL || text == NULL) abort();
    memcpy(text, bytes, size);
    tlr__parser_begin(parser);

    for (size_t given = 0; outcome->head == TLR__PARSE_MORE && given < size;) {
        given = size - given < step ? size : given + step;
        outcome->head = tlr__parser_read_head(parser, text, given);
    }
    if (outcome->head == TLR__PARSE_DONE) {
        const struct tlr__head *head = tlr__parser_head(parser);
        outcome->head_bytes = head->bytes;
        outcome->field_count = head->field_count;
        if (head->bytes > size) abort();
        if (head->has_body)
            read_body(parser, text + head->bytes, size - head->bytes, step, outcome);
    }
    const char *reason = NULL;
    if (outcome->head == TLR__PARSE_REFUSED || outcome->body == TLR__PARSE_REFUSED) {
        if (tlr__parser_refusal(parser, &reason) < 400 || reason == NULL) abort();
    }
    tlr__parser_close(parser);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct outcome at_once, by_bytes;
    read_request(bytes, size, size, &at_once);
    read_request(bytes, size, 1, &by_bytes);
    if (at_once.head != by_bytes.head || at_once.body != by_bytes.body ||
        at_once.field_count != by_bytes.field_count || at_once.head_bytes != by_bytes.head_bytes ||
        at_once.body_bytes != by_bytes.body_bytes ||
        memcmp(at_once.body_text, by_bytes.body_text, at_once.body_bytes) != 0) {
        fprintf(stderr, "at once: head %d body %d; by bytes: head %d body %d\n", at_once.head,
                at_once.body, by_bytes.head, by_bytes.body);
        abort();
    }
    return 0;
}
