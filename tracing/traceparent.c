/* W3C Trace Context, https://www.w3.org/TR/trace-context/:
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *     version 2, trace id 32, parent id 16, flags 2 lower-case hex digits
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <tailrace/trace.h>

enum { VERSION_AT = 0, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };

#define FLAG_SAMPLED 1u

/* Eight hex digits of a word at once, the highest first. */
static void print_word(uint32_t word, char *out) {
    uint64_t digits = word;
    digits = (digits | digits << 16) & UINT64_C(0x0000ffff0000ffff);
    digits = (digits | digits << 8) & UINT64_C(0x00ff00ff00ff00ff);
    digits = (digits | digits << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = (digits + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    digits += UINT64_C(0x3030303030303030) + letters * ('a' - '9' - 1);
    digits = htobe64(digits);
    memcpy(out, &digits, sizeof digits);
}

void tlr_span_id_print(uint64_t span_id, char *out) {
    print_word((uint32_t)(span_id >> 32), out);
    print_word((uint32_t)span_id, out + 8);
}

void tlr_trace_id_print(const struct tlr_context *context, char *out) {
    uint64_t halves[2];
    memcpy(halves, context->trace_id, sizeof halves);
    tlr_span_id_print(be64toh(halves[0]), out);
    tlr_span_id_print(be64toh(halves[1]), out + 16);
}

void tlr_traceparent_print(const struct tlr_context *context, char *out) {
    memcpy(out + VERSION_AT, "00-", 3);
    tlr_trace_id_print(context, out + TRACE_AT);
    out[SPAN_AT - 1] = '-';
    tlr_span_id_print(context->span_id, out + SPAN_AT);
    out[FLAGS_AT - 1] = '-';
    out[FLAGS_AT] = '0';
    /* Version 00 knows one flag, and wants the others sent as zero. */
    out[FLAGS_AT + 1] = (char)('0' + (context->flags & FLAG_SAMPLED));
}

/* -1 for anything but a lower-case hex digit. */
static int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* Reads 2 * `count` digits into bytes; 0 or -EINVAL. */
static int parse_bytes(const char *text, unsigned char *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0) return -EINVAL;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

static int all_zero(const unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i]) return 0;
    return 1;
}

int tlr_traceparent_parse(const char *text, size_t bytes, struct tlr_context *context) {
    unsigned char version, flags, trace_id[16], span_id[8];
    if (bytes < TLR_TRACEPARENT_BYTES || parse_bytes(text, &version, 1) || version == 0xff)
        return -EINVAL;
    if (bytes > TLR_TRACEPARENT_BYTES && (version == 0 || text[TLR_TRACEPARENT_BYTES] != '-'))
        return -EINVAL;
    if (text[TRACE_AT - 1] != '-' || text[SPAN_AT - 1] != '-' || text[FLAGS_AT - 1] != '-')
        return -EINVAL;
    if (parse_bytes(text + TRACE_AT, trace_id, sizeof trace_id) ||
        parse_bytes(text + SPAN_AT, span_id, sizeof span_id) ||
        parse_bytes(text + FLAGS_AT, &flags, 1))
        return -EINVAL;
    if (all_zero(trace_id, sizeof trace_id) || all_zero(span_id, sizeof span_id)) return -EINVAL;

    uint64_t span;
    memcpy(&span, span_id, sizeof span);
    memcpy(context->trace_id, trace_id, sizeof trace_id);
    context->span_id = be64toh(span);
    context->flags = version == 0 ? flags : flags & FLAG_SAMPLED;
    context->reserved = 0;
    return 0;
}
