/* log_line.c - see log_line.h.
 */
#include "log_line.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "human.h"
#include "json_scan.h"
#include "safe.h"

#define DATE_BYTES 27 /* 2026-11-20T15:03:11.482913Z */

static int part_is(struct tlr__log_line_part part, const char *word) {
    return part.size == strlen(word) && !memcmp(part.bytes, word, part.size);
}

static int name_in(const struct tlr__json_scan_member *member, const char *const *names) {
    struct tlr__log_line_part name = {member->name, member->name_bytes};
    for (; *names; names++)
        if (part_is(name, *names)) return 1;
    return 0;
}

/* ---- levels -------------------------------------------------------------------------------- */

static enum tlr_level level_of_word(struct tlr__log_line_part word) {
    static const struct {
        const char *name;
        enum tlr_level level;
    } words[] = {
        {"debug", TLR_LEVEL_DEBUG},    {"trace", TLR_LEVEL_DEBUG},     {"info", TLR_LEVEL_INFO},
        {"notice", TLR_LEVEL_INFO},    {"warn", TLR_LEVEL_WARN},       {"warning", TLR_LEVEL_WARN},
        {"error", TLR_LEVEL_ERROR},    {"err", TLR_LEVEL_ERROR},       {"fatal", TLR_LEVEL_ERROR},
        {"critical", TLR_LEVEL_ERROR}, {"crit", TLR_LEVEL_ERROR},      {"panic", TLR_LEVEL_ERROR},
        {"alert", TLR_LEVEL_ERROR},    {"emergency", TLR_LEVEL_ERROR},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i].name) == word.size &&
            !strncasecmp(words[i].name, word.bytes, word.size))
            return words[i].level;
    return TLR_LEVEL_UNSET;
}

/* pino's and bunyan's: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal. */
static enum tlr_level level_of_number(struct tlr__log_line_part number) {
    int value = 0;
    for (size_t i = 0; i < number.size && i < 4 && isdigit((unsigned char)number.bytes[i]); i++)
        value = value * 10 + number.bytes[i] - '0';
    return value < 10   ? TLR_LEVEL_UNSET
           : value < 30 ? TLR_LEVEL_DEBUG
           : value < 40 ? TLR_LEVEL_INFO
           : value < 50 ? TLR_LEVEL_WARN
                        : TLR_LEVEL_ERROR;
}

/* ---- text ---------------------------------------------------------------------------------- */

static int is_date(const char *at) {
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    for (int i = 0; i < DATE_BYTES; i++)
        if (shape[i] == 'd' ? !isdigit((unsigned char)at[i]) : at[i] != shape[i]) return 0;
    return 1;
}

/* Takes what stands before the next blank, and the blanks. */
static struct tlr__log_line_part word_take(const char **at, const char *end) {
    struct tlr__log_line_part word = {*at, 0};
    while (*at < end && **at != ' ') (*at)++;
    word.size = (size_t)(*at - word.bytes);
    while (*at < end && **at == ' ') (*at)++;
    return word;
}

static int is_hex(char byte) {
    return isdigit((unsigned char)byte) || (byte >= 'a' && byte <= 'f');
}

/* Splits "  trace=4bf9..." off the message's end. */
static void trace_split(struct tlr__log_line *line) {
    static const char mark[] = "  trace=";
    struct tlr__log_line_part *message = &line->message;
    size_t digits = 0;
    while (digits < message->size && is_hex(message->bytes[message->size - 1 - digits])) digits++;
    size_t tail = digits + sizeof(mark) - 1;
    if (digits != 32 || tail > message->size) return;
    const char *begin = message->bytes + message->size - tail;
    if (memcmp(begin, mark, sizeof(mark) - 1) != 0) return;
    line->trace = (struct tlr__log_line_part){begin + sizeof(mark) - 1, digits};
    message->size -= tail;
}

static int text_parse(struct tlr__log_line *line) {
    const char *at = line->whole.bytes, *end = at + line->whole.size;
    if (line->whole.size < DATE_BYTES + 2 || !is_date(at) || at[DATE_BYTES] != ' ') return 0;
    struct tlr__log_line_part date = {at, DATE_BYTES};
    at += DATE_BYTES + 1;
    enum tlr_level level = level_of_word(word_take(&at, end));
    if (level == TLR_LEVEL_UNSET) return 0;
    line->form = TLR__LOG_LINE_TEXT;
    line->level = level;
    line->date = date;
    line->thread = word_take(&at, end);
    line->category = word_take(&at, end);
    line->message = (struct tlr__log_line_part){at, (size_t)(end - at)};
    trace_split(line);
    return 1;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Which part of the line a member is; NULL: a field. */
static struct tlr__log_line_part *part_of(struct tlr__log_line *line,
                                          const struct tlr__json_scan_member *member) {
    static const char *const dates[] = {"ts", "time", "timestamp", "@timestamp", NULL};
    static const char *const threads[] = {"thread", NULL};
    static const char *const categories[] = {"cat", "logger", "category", "name", NULL};
    static const char *const messages[] = {"msg", "message", NULL};
    static const char *const traces[] = {"trace", "trace_id", "traceId", NULL};
    return name_in(member, dates)        ? &line->date
           : name_in(member, messages)   ? &line->message
           : name_in(member, threads)    ? &line->thread
           : name_in(member, categories) ? &line->category
           : name_in(member, traces)     ? &line->trace
                                         : NULL;
}

static int is_level(const struct tlr__json_scan_member *member) {
    static const char *const levels[] = {"level", "severity", "lvl", NULL};
    return name_in(member, levels);
}

static void level_read(struct tlr__log_line *line, const struct tlr__json_scan_member *member) {
    struct tlr__log_line_part value = {member->value, member->value_bytes};
    line->level = member->type == TLR__JSON_NUMBER ? level_of_number(value) : level_of_word(value);
    line->level_value = member->value;
}

static int json_parse(struct tlr__log_line *line) {
    struct tlr__log_line found = {.form = TLR__LOG_LINE_JSON, .whole = line->whole};
    struct tlr__json_scan scan;
    struct tlr__json_scan_member member;
    int more;
    if (tlr__json_scan_begin(&scan, line->whole.bytes, line->whole.size) < 0) return 0;
    while ((more = tlr__json_scan_next(&scan, &member)) > 0) {
        struct tlr__log_line_part value = {member.value, member.value_bytes};
        struct tlr__log_line_part *part = part_of(&found, &member);
        if (part && !part->size)
            *part = value;
        else if (is_level(&member) && !found.level_value)
            level_read(&found, &member);
    }
    if (more < 0) return 0;
    *line = found;
    return 1;
}

void tlr__log_line_parse(struct tlr__log_line *line, const char *bytes, size_t size) {
    *line = (struct tlr__log_line){.whole = {bytes, size}};
    if (size && bytes[size - 1] == '\r') size--;
    line->whole.size = size;
    if (size && bytes[0] == '{')
        json_parse(line);
    else
        text_parse(line);
}

int tlr__log_line_has_trace(const char *bytes, size_t size, const char *prefix) {
    size_t prefix_size = strlen(prefix);
    const char *end = bytes + size, *at = bytes;
    while ((at = memmem(at, (size_t)(end - at), prefix, prefix_size))) {
        /* The prefix is rare: look around it only where it stands. */
        static const char *const before[] = {"trace=",    "\"trace\":\"",    "\"trace\": \"",
                                             "trace_id=", "\"trace_id\":\"", "\"trace_id\": \""};
        for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
            size_t length = strlen(before[i]);
            if ((size_t)(at - bytes) >= length && !memcmp(at - length, before[i], length)) return 1;
        }
        at++;
    }
    return 0;
}

/* ---- dates --------------------------------------------------------------------------------- */

uint64_t tlr__log_line_date_of_text(const char *bytes, size_t size) {
    char text[40];
    if (size < 19 || size >= sizeof(text)) return 0;
    memcpy(text, bytes, size);
    text[size] = 0;
    struct tm parts = {0};
    char *rest = strptime(text, "%Y-%m-%d", &parts);
    if (!rest || (*rest != 'T' && *rest != ' ')) return 0;
    rest = strptime(rest + 1, "%H:%M:%S", &parts);
    if (!rest) return 0;
    uint64_t date_ns = (uint64_t)timegm(&parts) * TLR_NS_PER_S;
    if (*rest == '.' || *rest == ',') {
        uint64_t place = TLR_NS_PER_S / 10;
        for (rest++; isdigit((unsigned char)*rest); rest++, place /= 10)
            date_ns += place * (uint64_t)(*rest - '0');
    }
    if (*rest != '+' && *rest != '-') return date_ns;
    int hours = 0, minutes = 0;
    if (sscanf(rest + 1, "%2d%*[:]%2d", &hours, &minutes) < 2 &&
        sscanf(rest + 1, "%2d%2d", &hours, &minutes) < 1)
        return 0;
    uint64_t offset_ns = (uint64_t)(hours * 60 + minutes) * 60 * TLR_NS_PER_S;
    return *rest == '+' ? date_ns - offset_ns : date_ns + offset_ns;
}

uint64_t tlr__log_line_date_ns(const struct tlr__log_line *line) {
    struct tlr__log_line_part date = line->date;
    if (!date.size) return 0;
    if (memchr(date.bytes, '-', date.size))
        return tlr__log_line_date_of_text(date.bytes, date.size);
    char text[32];
    if (date.size >= sizeof(text)) return 0;
    memcpy(text, date.bytes, date.size);
    text[date.size] = 0;
    char *rest;
    uint64_t value = strtoull(text, &rest, 10);
    /* Seconds, milliseconds, microseconds or nanoseconds since 1970: told by the size. */
    uint64_t unit = value < UINT64_C(100000000000)         ? TLR_NS_PER_S
                    : value < UINT64_C(100000000000000)    ? TLR_NS_PER_MS
                    : value < UINT64_C(100000000000000000) ? TLR_NS_PER_US
                                                           : 1;
    uint64_t date_ns = value * unit;
    if (*rest == '.')
        for (rest++; isdigit((unsigned char)*rest); rest++)
            date_ns += (uint64_t)(*rest - '0') * (unit /= 10);
    return *rest ? 0 : date_ns;
}

/* ---- the line as short text ---------------------------------------------------------------- */

/* 16: "-", blanks, a level; the rest is never longer than what it is made from, but for a date that
 * was a number. */
size_t tlr__log_line_short_bytes_max(size_t size) {
    return 6 * size + 128;
}

static size_t part_copy(struct tlr__log_line_part part, char *out) {
    if (!part.size) {
        *out = '-';
        return 1;
    }
    return tlr__json_scan_unescape(part.bytes, part.size, out);
}

static size_t date_copy(const struct tlr__log_line *line, char *out) {
    char date[TLR__HUMAN_BYTES];
    uint64_t date_ns = tlr__log_line_date_ns(line);
    if (!date_ns) return part_copy(line->date, out);
    tlr__human_date(date_ns, date);
    memcpy(out, date, DATE_BYTES);
    return DATE_BYTES;
}

static int needs_quotes(const char *text, size_t size) {
    if (!size) return 1;
    for (size_t i = 0; i < size; i++)
        if (text[i] == ' ' || text[i] == '"' || text[i] == '=' || (unsigned char)text[i] < 0x20)
            return 1;
    return 0;
}

/* " key=value", a string in quotes where a text line would have them. */
static size_t field_copy(const struct tlr__json_scan_member *member, char *out) {
    size_t used = 0;
    out[used++] = ' ';
    used += tlr__json_scan_unescape(member->name, member->name_bytes, out + used);
    out[used++] = '=';
    if (member->type == TLR__JSON_STRING && needs_quotes(member->value, member->value_bytes)) {
        out[used++] = '"';
        memcpy(out + used, member->value, member->value_bytes);
        used += member->value_bytes;
        out[used++] = '"';
    } else if (member->type == TLR__JSON_STRING) {
        used += tlr__json_scan_unescape(member->value, member->value_bytes, out + used);
    } else {
        memcpy(out + used, member->value, member->value_bytes);
        used += member->value_bytes;
    }
    return used;
}

static size_t fields_copy(const struct tlr__log_line *line, char *out) {
    struct tlr__log_line parts = *line;
    struct tlr__json_scan scan;
    struct tlr__json_scan_member member;
    size_t used = 0;
    tlr__json_scan_begin(&scan, line->whole.bytes, line->whole.size);
    while (tlr__json_scan_next(&scan, &member) > 0) {
        struct tlr__log_line_part name = {member.name, member.name_bytes};
        /* A field may have the name of a part: only the member that became the part is left out. */
        const struct tlr__log_line_part *part = part_of(&parts, &member);
        if ((part && part->bytes == member.value) || member.value == line->level_value ||
            part_is(name, "span") || part_is(name, "site"))
            continue;
        used += field_copy(&member, out + used);
    }
    return used;
}

static const char *level_word(enum tlr_level level) {
    static const char *const words[] = {"-    ", "DEBUG", "INFO ", "WARN ", "ERROR", "-    "};
    return words[level];
}

size_t tlr__log_line_short(const struct tlr__log_line *line, char *out) {
    if (line->form != TLR__LOG_LINE_JSON) {
        memcpy(out, line->whole.bytes, line->whole.size);
        return line->whole.size;
    }
    size_t used = date_copy(line, out);
    used += (size_t)sprintf(out + used, " %s ", level_word(line->level));
    used += part_copy(line->thread, out + used);
    out[used++] = ' ';
    used += part_copy(line->category, out + used);
    out[used++] = ' ';
    out[used++] = ' ';
    if (line->message.size)
        used += tlr__json_scan_unescape(line->message.bytes, line->message.size, out + used);
    used += fields_copy(line, out + used);
    if (line->trace.size) {
        used += (size_t)sprintf(out + used, "  trace=");
        used += part_copy(line->trace, out + used);
    }
    return used;
}

/* ---- the line as JSON ---------------------------------------------------------------------- */

static size_t string_write(struct tlr__log_line_part part, char *out) {
    size_t used = 0;
    out[used++] = '"';
    for (size_t done = 0; done < part.size;) {
        size_t piece = 0;
        while (done + piece < part.size && part.bytes[done + piece] != '"' &&
               part.bytes[done + piece] != '\\')
            piece++;
        used += tlr__safe_json(part.bytes + done, piece, out + used);
        done += piece;
        if (done < part.size) {
            out[used++] = '\\';
            out[used++] = part.bytes[done++];
        }
    }
    out[used++] = '"';
    return used;
}

static size_t member_write(const char *name, struct tlr__log_line_part part, char *out) {
    if (!part.size) return 0;
    size_t used = (size_t)sprintf(out, "\"%s\":", name);
    used += string_write(part, out + used);
    out[used++] = ',';
    return used;
}

size_t tlr__log_line_json(const struct tlr__log_line *line, char *out) {
    if (line->form == TLR__LOG_LINE_JSON)
        return tlr__safe_json(line->whole.bytes, line->whole.size, out);
    size_t used = 0;
    out[used++] = '{';
    if (line->form == TLR__LOG_LINE_TEXT) {
        const char *level = tlr_level_name(line->level);
        used += member_write("ts", line->date, out + used);
        used +=
            member_write("level", (struct tlr__log_line_part){level, strlen(level)}, out + used);
        used += member_write("thread", line->thread, out + used);
        used += member_write("cat", line->category, out + used);
        used += member_write("msg", line->message, out + used);
        used += member_write("trace", line->trace, out + used);
        out[used - 1] = '}';
        return used;
    }
    used += (size_t)sprintf(out + used, "\"msg\":");
    used += string_write(line->whole, out + used);
    out[used++] = '}';
    return used;
}
