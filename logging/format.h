/* format.h - printf formats: parsed once into a plan (what to copy) and a program (how to print).
 *
 * The grammar of fields is log.h's. Two points it leaves to the printer:
 *  - `peer=%s:%d` is no typed field, for its value ends with neither a blank nor a unit: it stays
 *    in the message, its strings quoted like a field's.
 *  - In JSON's msg a field takes its unit and one ',' or ';' behind it along, and a pair of
 * brackets that held nothing else: `done (a=%d, b=%dms)` leaves `done`.
 */
#ifndef TLR_FORMAT_H
#define TLR_FORMAT_H

#include "payload.h"

#include <tailrace/record.h>

/* Makes the plan of a format. A conversion that is refused (%n, %m, %ls), unknown, or does not fit
 * its argument's tag makes that argument a WORD and prints as `(bad %n)`, with the conversion's own
 * text; arguments without a conversion are copied and not printed; conversions without an argument
 * print as `(missing %d)`. Thread: any. Blocks: never; no allocation. */
void tlr__plan_make(const char *format, const unsigned char *tags, unsigned value_count,
                    struct tlr__plan *plan);

/* Compiles a program; `format` and `tags` are copied. NULL: out of memory.
 * value_count: those above TLR_VALUES_MAX are left out.
 * Owns: the program until tlr__program_free. Thread: the writer's or a reader's. */
struct tlr_format_program *tlr__program_compile(const char *format, const unsigned char *tags,
                                                unsigned value_count);

/* NULL: no-op. */
void tlr__program_free(struct tlr_format_program *program);

/* As given to compile. */
const char *tlr__program_format(const struct tlr_format_program *program);
const unsigned char *tlr__program_tags(const struct tlr_format_program *program);
const struct tlr__plan *tlr__program_plan(const struct tlr_format_program *program);

/* The most bytes that the message and its fields can take in any kind of line, for a valid payload
 * of that size; literals are copied sixteen bytes at a time, and that is counted in. */
size_t tlr__program_message_bytes_max(const struct tlr_format_program *program,
                                      size_t payload_bytes);

#endif
