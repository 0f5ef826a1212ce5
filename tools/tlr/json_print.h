/* json_print.h - one JSON document, written as it goes; commas and escapes are its business.
 */
#ifndef TLR_JSON_PRINT_H
#define TLR_JSON_PRINT_H

#include <stdint.h>
#include <stdio.h>

struct tlr__json_print {
    FILE *out;
    int need_comma;
};

/* Each takes the member's name, or NULL inside an array and for the document itself. */
void tlr__json_print_object_begin(struct tlr__json_print *json, const char *name);
void tlr__json_print_object_end(struct tlr__json_print *json);
void tlr__json_print_array_begin(struct tlr__json_print *json, const char *name);
void tlr__json_print_array_end(struct tlr__json_print *json);
void tlr__json_print_text(struct tlr__json_print *json, const char *name, const char *text);
void tlr__json_print_bytes(struct tlr__json_print *json, const char *name, const char *text,
                           size_t bytes);
void tlr__json_print_number(struct tlr__json_print *json, const char *name, uint64_t number);
void tlr__json_print_integer(struct tlr__json_print *json, const char *name, int64_t number);
void tlr__json_print_bool(struct tlr__json_print *json, const char *name, int value);
/* JSON text as it is. */
void tlr__json_print_raw(struct tlr__json_print *json, const char *name, const char *text);
/* 16 hex digits, as text: larger than what JSON readers keep of a number. */
void tlr__json_print_id(struct tlr__json_print *json, const char *name, uint64_t id);
/* An ISO date. */
void tlr__json_print_date(struct tlr__json_print *json, const char *name, uint64_t date_ns);

#endif
