/* req.c - `tlr req`: one request whole.
 */
#include <ctype.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "req_find.h"
#include "req_json.h"
#include "req_print.h"

static struct { int json; } arguments;

static const struct tlr__cli_option options[] = {
    {.name = "json",
     .type = TLR__CLI_FLAG,
     .store.flag = &arguments.json,
     .help = "everything, as one JSON document"},
};

static int run(int operand_count, char **operands);

const struct tlr__cli_command tlr__req_command = {
    .name = "req",
    .operands = "ID PATH...",
    .operand_min = 2,
    .operand_max = UINT_MAX,
    .summary = "show one request whole: hops, spans, log lines, stalls",
    .description =
        "ID is the request's trace id, as in X-Request-Id, or its beginning (4 hex\n"
        "digits or more). Each PATH is a trace directory, a segment (.tlr), or a log of\n"
        "text or JSON lines. Exit status 1: not found; 2: ID could mean several, which\n"
        "are listed; 3: found, but some parts could not be read.\n",
    .examples = "tlr req 4bf92f3577b34da6a3ce929d0e0e4736 trace/ service.log\n"
                "tlr req 4bf92f35 trace/ --json | jq '.requests[0].hops'\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};

/* An id as it is written in records: lower-case hex. */
static int id_read(const char *text, char id[TLR__ID_TEXT_BYTES]) {
    size_t size = strlen(text);
    if (size < 4 || size >= TLR__ID_TEXT_BYTES) return 0;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && !isxdigit((unsigned char)text[i])) return 0;
        id[i] = (char)tolower((unsigned char)text[i]);
    }
    return 1;
}

static int found_print(const struct tlr__req *req, int unreadable) {
    if (arguments.json)
        tlr__req_json_print(req);
    else
        tlr__req_print_text(req);
    if (req->damaged)
        tlr__cli_notice("%llu parts could not be read; what they held is missing",
                        (unsigned long long)req->damaged);
    return req->damaged || unreadable ? TLR__CLI_PARTIAL : TLR__CLI_FOUND;
}

static int run(int operand_count, char **operands) {
    struct tlr__req req;
    char id[TLR__ID_TEXT_BYTES];
    int unreadable;
    signal(SIGPIPE, SIG_IGN);
    if (!id_read(operands[0], id))
        return tlr__cli_error("\"%s\" is not a trace id (expected 4 to 32 hex digits)",
                              operands[0]);
    int found = tlr__req_find(&req, id, operands + 1, operand_count - 1, &unreadable);
    int status;
    if (found < 0) {
        status = tlr__cli_error("%s", strerror(-found));
    } else if (found > 1) {
        tlr__req_print_candidates(&req);
        status = tlr__cli_error("%s: could mean any of the %zu above; give more digits", id,
                                req.candidate_count + req.candidates_more);
    } else if (found == 1) {
        status = found_print(&req, unreadable);
    } else if (unreadable) {
        status = TLR__CLI_ERROR; /* said already */
    } else {
        tlr__cli_notice("%s: not found in %s%s", id, operands[1],
                        operand_count > 2 ? " and the others" : "");
        status = TLR__CLI_NOTHING;
    }
    tlr__req_free(&req);
    return status;
}
