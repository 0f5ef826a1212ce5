/* json_print.c - see json_print.h.
 */
#include "json_print.h"

#include <inttypes.h>
#include <string.h>

#include "human.h"
#include "safe.h"

static void string_print(FILE *out, const char *text, size_t bytes) {
    fputc('"', out);
    for (size_t done = 0; done < bytes;) {
        /* Up to the next quote or backslash, in pieces that fit the buffer. */
        char safe[6 * 256];
        size_t piece = 0;
        while (done + piece < bytes && text[done + piece] != '"' && text[done + piece] != '\\')
            piece++;
        if (piece > 256) {
            piece = 256;
            /* Not inside a character. */
            while (piece > 252 && ((unsigned char)text[done + piece] & 0xc0) == 0x80) piece--;
        }
        fwrite(safe, 1, tlr__safe_json(text + done, piece, safe), out);
        done += piece;
        if (done < bytes && (text[done] == '"' || text[done] == '\\')) {
            fputc('\\', out);
            fputc(text[done++], out);
        }
    }
    fputc('"', out);
}

static void member_begin(struct tlr__json_print *json, const char *name) {
    if (json->need_comma) fputc(',', json->out);
    json->need_comma = 1;
    if (!name) return;
    string_print(json->out, name, strlen(name));
    fputc(':', json->out);
}

void tlr__json_print_object_begin(struct tlr__json_print *json, const char *name) {
    member_begin(json, name);
    fputc('{', json->out);
    json->need_comma = 0;
}

void tlr__json_print_object_end(struct tlr__json_print *json) {
    fputc('}', json->out);
    json->need_comma = 1;
}

void tlr__json_print_array_begin(struct tlr__json_print *json, const char *name) {
    member_begin(json, name);
    fputc('[', json->out);
    json->need_comma = 0;
}

void tlr__json_print_array_end(struct tlr__json_print *json) {
    fputc(']', json->out);
    json->need_comma = 1;
}

void tlr__json_print_bytes(struct tlr__json_print *json, const char *name, const char *text,
                           size_t bytes) {
    member_begin(json, name);
    string_print(json->out, text, bytes);
}

void tlr__json_print_text(struct tlr__json_print *json, const char *name, const char *text) {
    tlr__json_print_bytes(json, name, text, strlen(text));
}

void tlr__json_print_number(struct tlr__json_print *json, const char *name, uint64_t number) {
    member_begin(json, name);
    fprintf(json->out, "%" PRIu64, number);
}

void tlr__json_print_integer(struct tlr__json_print *json, const char *name, int64_t number) {
    member_begin(json, name);
    fprintf(json->out, "%" PRId64, number);
}

void tlr__json_print_bool(struct tlr__json_print *json, const char *name, int value) {
    member_begin(json, name);
    fputs(value ? "true" : "false", json->out);
}

void tlr__json_print_raw(struct tlr__json_print *json, const char *name, const char *text) {
    member_begin(json, name);
    fputs(text, json->out);
}

void tlr__json_print_id(struct tlr__json_print *json, const char *name, uint64_t id) {
    member_begin(json, name);
    fprintf(json->out, "\"%016" PRIx64 "\"", id);
}

void tlr__json_print_date(struct tlr__json_print *json, const char *name, uint64_t date_ns) {
    char date[TLR__HUMAN_BYTES];
    tlr__json_print_text(json, name, tlr__human_date(date_ns, date));
}
