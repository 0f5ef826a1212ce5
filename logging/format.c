#include "format.h"

#include "escape.h"
#include "parse.h"
#include "print.h"
#include "program.h"

#include <stdlib.h>

/* ---- the plan ------------------------------------------------------------------------------- */

static unsigned value_count_of(unsigned value_count) {
    return value_count < TLR_VALUES_MAX ? value_count : TLR_VALUES_MAX;
}

void tlr__plan_make(const char *format, const unsigned char *tags, unsigned value_count,
                    struct tlr__plan *plan) {
    *plan = (struct tlr__plan){.value_count = (uint8_t)value_count_of(value_count)};
    memset(plan->kinds, TLR__KIND_WORD, plan->value_count);

    struct tlr__parse parse = {.next = format, .tags = tags, .value_count = plan->value_count};
    struct tlr__piece piece;
    while (tlr__parse_next(&parse, &piece)) {
        if (piece.type != TLR__PIECE_CONVERSION) continue;
        plan->kinds[piece.conversion.value] = piece.conversion.kind;
        plan->precision[piece.conversion.value] = piece.conversion.string_bytes;
    }
    while (plan->word_count < plan->value_count && plan->kinds[plan->word_count] <= TLR__KIND_REAL)
        plan->word_count++;
    for (unsigned i = 0; i < plan->value_count; i++) {
        if (plan->kinds[i] >= TLR__KIND_STRING) {
            plan->strings[plan->string_count++] = (uint8_t)i;
        } else {
            const bool is_long = plan->kinds[i] == TLR__KIND_LONG_DOUBLE;
            plan->has_long_double |= is_long;
            plan->fixed_bytes = (uint16_t)(plan->fixed_bytes + (is_long ? 16 : 8));
        }
    }
    plan->one_string_last = plan->value_count > 0 && plan->word_count == plan->value_count - 1 &&
                            plan->kinds[plan->word_count] == TLR__KIND_STRING;
}

/* ---- growing text --------------------------------------------------------------------------- */

struct text {
    char *bytes;
    size_t size, capacity;
    bool failed; /* out of memory; nothing is added any more */
};

/* Room for that many bytes behind what is there; NULL: none. */
static char *text_reserve(struct text *text, size_t bytes) {
    if (text->failed) return NULL;
    if (text->capacity - text->size < bytes) {
        const size_t capacity = (text->size + bytes) * 2;
        char *grown = realloc(text->bytes, capacity);
        if (grown == NULL) {
            text->failed = true;
            return NULL;
        }
        text->bytes = grown;
        text->capacity = capacity;
    }
    return text->bytes + text->size;
}

static void text_add(struct text *text, const char *bytes, size_t size) {
    char *out = text_reserve(text, size);
    if (out == NULL) return;
    memcpy(out, bytes, size);
    text->size += size;
}

static void text_add_string(struct text *text, const char *string) {
    text_add(text, string, strlen(string));
}

/* Adds `from`, escaped, and tells where it lies. */
static struct tlr__literal text_add_escaped(struct text *text, const struct text *from,
                                            char *(*escape)(char *, const char *, size_t)) {
    struct tlr__literal literal = {.offset = (uint32_t)text->size};
    char *out = text_reserve(text, from->size * TLR__ESCAPE_FACTOR);
    if (out == NULL) return literal;
    literal.bytes = (uint32_t)(escape(out, from->bytes, from->size) - out);
    text->size += literal.bytes;
    return literal;
}

/* ---- the program ---------------------------------------------------------------------------- */

/* What a program is made in. `run` is the literal text since the last value; `msg` what JSON's msg
 * has since its last value, which may be longer, as fields are not in it. */
struct builder {
    struct tlr_format_program *program;
    struct text pool, run, msg;
    bool begun;        /* a value was printed */
    bool msg_begun;    /* a value was printed in msg */
    bool after_field;  /* the last value was a field */
    bool after_quoted; /* its strings are quoted, and so are those joined to it */
};

static bool ends_value(char c) {
    return (unsigned char)c <= ' ' || strchr(")]},;", c) != NULL;
}

/* True if a value whose conversion ended here ends before the next conversion. */
static bool value_ends(const char *at) {
    for (; !ends_value(*at); at++)
        if (*at == '%' && *++at != '%') return false;
    return true;
}

/* How many bytes at the end of the run are a field's name and its '='; 0: it names no field. */
static size_t name_bytes(const struct builder *builder) {
    const struct text *run = &builder->run;
    if (run->size < 2 || run->bytes[run->size - 1] != '=') return 0;
    size_t begin = run->size - 1;
    while (begin > 0 && tlr__escape_is_name(run->bytes[begin - 1])) begin--;
    const char first = run->bytes[begin];
    if (first == '=' || first == '.' || first == '-' || (first >= '0' && first <= '9')) return 0;
    if (begin == 0 ? builder->begun : !tlr__escape_is_separator(run->bytes[begin - 1])) return 0;
    return run->size - begin;
}

static bool closes(char opening, char closing) {
    return (opening == '(' && closing == ')') || (opening == '[' && closing == ']') ||
           (opening == '{' && closing == '}');
}

static bool opens(char c) {
    return c == '(' || c == '[' || c == '{';
}

/* What stood before fields that are gone: nothing follows it now but the end or a closing bracket.
 */
static void trim_msg(struct text *msg) {
    while (msg->size > 0 && strchr(" ,;", msg->bytes[msg->size - 1]) != NULL) msg->size--;
}

/* Adds the run to msg, without its last `cut` bytes and without what belonged to a field before. */
static void add_to_msg(struct builder *builder, size_t cut) {
    struct text *msg = &builder->msg;
    const char *at = builder->run.bytes, *end = at + builder->run.size - cut;
    if (builder->after_field) {
        while (at < end && !ends_value(*at)) at++; /* the unit */
        if (at < end && (*at == ',' || *at == ';')) at++;
        if (at < end && strchr(")]}", *at) != NULL) trim_msg(msg);
        if (at < end && msg->size > 0 && closes(msg->bytes[msg->size - 1], *at)) {
            msg->size--;
            at++;
        }
    }
    const char last = msg->size > 0 ? msg->bytes[msg->size - 1] : '\0';
    const bool fold =
        msg->size > 0 ? builder->after_field && (last == ' ' || opens(last)) : !builder->msg_begun;
    while (fold && at < end && *at == ' ') at++;
    if (at < end) text_add(msg, at, (size_t)(end - at));
}

/* Gives a field its key: its name, made unique among the line's. */
static struct tlr__literal add_key(struct builder *builder, struct tlr__literal name) {
    static const char *const reserved[] = {"ts",  "level", "thread", "cat",
                                           "msg", "trace", "span",   "site"};
    struct text *pool = &builder->pool;
    struct text key = {0};
    if (pool->failed) return (struct tlr__literal){0};
    text_add(&key, ",\"", 2);
    text_add(&key, pool->bytes + name.offset, name.bytes);
    bool taken;
    do {
        taken = false;
        for (size_t i = 0; i < sizeof reserved / sizeof *reserved && !key.failed; i++)
            taken = taken || (key.size - 2 == strlen(reserved[i]) &&
                              memcmp(key.bytes + 2, reserved[i], key.size - 2) == 0);
        for (unsigned i = 0; i < builder->program->step_count && !key.failed; i++) {
            const struct tlr__literal other = builder->program->steps[i].key;
            taken = taken || (other.bytes == key.size + 2 &&
                              memcmp(pool->bytes + other.offset, key.bytes, key.size) == 0);
        }
        if (taken) text_add(&key, "_", 1);
    } while (taken);
    text_add(&key, "\":", 2);
    pool->failed = pool->failed || key.failed;
    const struct tlr__literal literal = {(uint32_t)pool->size, (uint32_t)key.size};
    text_add(pool, key.bytes, key.size);
    free(key.bytes);
    return literal;
}

static void add_step(struct builder *builder, const struct tlr__piece *piece) {
    struct tlr_format_program *program = builder->program;
    struct tlr__step *step = &program->steps[program->step_count];
    const size_t named = name_bytes(builder);
    bool joined = builder->after_quoted;
    for (size_t i = 0; i < builder->run.size; i++)
        if (ends_value(builder->run.bytes[i])) joined = false;
    const bool field = named > 0 && value_ends(piece->text + piece->text_bytes);

    step->conversion = piece->conversion;
    step->quoted = named > 0 || joined;
    step->text = text_add_escaped(&builder->pool, &builder->run, tlr__escape_literal);
    add_to_msg(builder, field ? named : 0);
    if (field) {
        step->name = (struct tlr__literal){(uint32_t)builder->pool.size, (uint32_t)named - 1};
        text_add(&builder->pool, builder->run.bytes + builder->run.size - named, named - 1);
        step->key = add_key(builder, step->name);
    } else {
        step->msg = text_add_escaped(&builder->pool, &builder->msg, tlr__escape_json);
        builder->msg.size = 0;
        builder->msg_begun = true;
    }
    builder->run.size = 0;
    builder->begun = true;
    builder->after_field = field;
    builder->after_quoted = step->quoted;
    program->bytes_max += step->text.bytes + step->msg.bytes + step->key.bytes +
                          tlr__print_bytes_max(&step->conversion);
    program->step_count++;
}

static void add_piece(struct builder *builder, const struct tlr__piece *piece) {
    text_add(&builder->run, piece->literal, piece->literal_bytes);
    switch (piece->type) {
    case TLR__PIECE_END:
        break;
    case TLR__PIECE_PERCENT:
        text_add(&builder->run, "%", 1);
        break;
    case TLR__PIECE_CONVERSION:
        add_step(builder, piece);
        break;
    case TLR__PIECE_BAD:
    case TLR__PIECE_MISSING:
        text_add_string(&builder->run, piece->type == TLR__PIECE_BAD ? "(bad " : "(missing ");
        text_add(&builder->run, piece->text, piece->text_bytes);
        text_add(&builder->run, ")", 1);
    }
}

static void add_end(struct builder *builder) {
    struct tlr_format_program *program = builder->program;
    program->text_end = text_add_escaped(&builder->pool, &builder->run, tlr__escape_literal);
    add_to_msg(builder, 0);
    struct text *msg = &builder->msg;
    while (msg->size > 0 && msg->bytes[msg->size - 1] == ' ') msg->size--;
    if (builder->after_field) trim_msg(msg);
    program->msg_end = text_add_escaped(&builder->pool, msg, tlr__escape_json);
    program->bytes_max += program->text_end.bytes + program->msg_end.bytes + TLR__PROGRAM_SLACK;
    text_add(&builder->pool, (const char[TLR__PROGRAM_SLACK]){0}, TLR__PROGRAM_SLACK);
}

struct tlr_format_program *tlr__program_compile(const char *format, const unsigned char *tags,
                                                unsigned value_count) {
    const unsigned count = value_count_of(value_count);
    /* A step takes at least one value. */
    struct tlr_format_program *program =
        calloc(1, sizeof *program + count * sizeof program->steps[0]);
    if (program == NULL) return NULL;
    tlr__plan_make(format, tags, count, &program->plan);

    struct builder builder = {.program = program};
    text_reserve(&builder.run, 64); /* so that there are bytes to point to, be they none */
    text_reserve(&builder.msg, 64);
    text_add(&builder.pool, format, strlen(format) + 1);
    if (count > 0) text_add(&builder.pool, (const char *)tags, count);
    struct tlr__parse parse = {.next = format, .tags = tags, .value_count = count};
    struct tlr__piece piece;
    bool more;
    do {
        more = tlr__parse_next(&parse, &piece);
        add_piece(&builder, &piece);
    } while (more);
    add_end(&builder);

    free(builder.run.bytes);
    free(builder.msg.bytes);
    program->pool = builder.pool.bytes;
    if (builder.pool.failed || builder.run.failed || builder.msg.failed) {
        tlr__program_free(program);
        return NULL;
    }
    program->format = program->pool;
    program->tags = (const unsigned char *)program->pool + strlen(format) + 1;
    return program;
}

void tlr__program_free(struct tlr_format_program *program) {
    if (program == NULL) return;
    free(program->pool);
    free(program);
}

const char *tlr__program_format(const struct tlr_format_program *program) {
    return program->format;
}

const unsigned char *tlr__program_tags(const struct tlr_format_program *program) {
    return program->tags;
}

const struct tlr__plan *tlr__program_plan(const struct tlr_format_program *program) {
    return &program->plan;
}

size_t tlr__program_message_bytes_max(const struct tlr_format_program *program,
                                      size_t payload_bytes) {
    return program->bytes_max + payload_bytes * TLR__ESCAPE_FACTOR;
}
