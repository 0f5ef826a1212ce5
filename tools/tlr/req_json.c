/* req_json.c - one request as one JSON document.
 */
#include "req_json.h"

#include <stdio.h>
#include <string.h>

#include "json_print.h"
#include "req_hops.h"

#define TEXT(json, name, text) tlr__json_print_bytes(json, name, text, strnlen(text, sizeof(text)))

static void hops_print(struct tlr__json_print *json, const struct tlr__trace_request *request) {
    struct tlr__req_hop hops[TLR__REQ_HOPS_MAX];
    unsigned count = tlr__req_hops(request, hops);
    tlr__json_print_array_begin(json, "hops");
    for (unsigned i = 0; i < count; i++) {
        tlr__json_print_object_begin(json, NULL);
        tlr__json_print_text(json, "hop", hops[i].name);
        TEXT(json, "thread", hops[i].thread);
        tlr__json_print_number(json, "offset_ns", hops[i].offset_ns);
        tlr__json_print_number(json, "duration_ns", hops[i].duration_ns);
        tlr__json_print_object_end(json);
    }
    tlr__json_print_array_end(json);
}

static void request_print(struct tlr__json_print *json, const struct tlr__trace_request *request) {
    tlr__json_print_object_begin(json, NULL);
    TEXT(json, "method", request->method);
    TEXT(json, "path", request->path);
    tlr__json_print_integer(json, "status", request->status);
    TEXT(json, "trace", request->trace);
    TEXT(json, "span", request->span);
    TEXT(json, "parent", request->parent);
    TEXT(json, "served_by", request->served_by);
    TEXT(json, "loop", request->loop);
    tlr__json_print_date(json, "begin", request->begin_ns);
    tlr__json_print_number(json, "total_ns", request->total_ns);
    hops_print(json, request);
    tlr__json_print_number(json, "log_blocked_ns", request->log_blocked_ns);
    tlr__json_print_number(json, "lines", request->lines);
    tlr__json_print_number(json, "dropped", request->dropped);
    tlr__json_print_number(json, "bytes_in", request->bytes_in);
    tlr__json_print_number(json, "bytes_out", request->bytes_out);
    if (request->victim_of) {
        tlr__json_print_id(json, "victim_of", request->victim_of);
        tlr__json_print_number(json, "victim_ns", request->victim_ns);
    }
    tlr__json_print_object_end(json);
}

static void span_print(struct tlr__json_print *json, const struct tlr__trace_span *span) {
    tlr__json_print_object_begin(json, NULL);
    TEXT(json, "span", span->span);
    TEXT(json, "parent", span->parent);
    TEXT(json, "name", span->name);
    TEXT(json, "thread", span->thread);
    tlr__json_print_date(json, "begin", span->begin_ns);
    tlr__json_print_number(json, "duration_ns", span->duration_ns);
    tlr__json_print_object_end(json);
}

static void stall_members_print(struct tlr__json_print *json,
                                const struct tlr__trace_stall *traced) {
    const struct tlr_stall *stall = &traced->stall;
    tlr__json_print_id(json, "id", stall->id);
    if (stall->behind) tlr__json_print_id(json, "behind", stall->behind);
    tlr__json_print_text(json, "cause", tlr_cause_name(stall->cause));
    TEXT(json, "file", stall->file);
    tlr__json_print_number(json, "line", stall->line);
    TEXT(json, "function", stall->function);
    TEXT(json, "thread", stall->thread);
    tlr__json_print_text(json, "role", tlr_role_name(stall->role));
    TEXT(json, "target", stall->target);
    tlr__json_print_date(json, "begin", stall->begin_ns);
    tlr__json_print_number(json, "duration_ns", stall->duration_ns);
    TEXT(json, "trace", traced->trace);
    TEXT(json, "blame", traced->blame);
}

static void hurt_print(struct tlr__json_print *json, const struct tlr__req_hurt *hurt) {
    tlr__json_print_object_begin(json, NULL);
    if (hurt->found)
        stall_members_print(json, &hurt->stall);
    else
        tlr__json_print_id(json, "id", hurt->id);
    TEXT(json, "method", hurt->method);
    TEXT(json, "path", hurt->path);
    tlr__json_print_object_end(json);
}

void tlr__req_json_print(const struct tlr__req *req) {
    struct tlr__json_print json = {.out = stdout};
    tlr__json_print_object_begin(&json, NULL);
    TEXT(&json, "trace", req->trace);
    tlr__json_print_array_begin(&json, "requests");
    for (size_t i = 0; i < req->request_count; i++) request_print(&json, &req->requests[i]);
    tlr__json_print_array_end(&json);
    tlr__json_print_array_begin(&json, "spans");
    for (size_t i = 0; i < req->span_count; i++) span_print(&json, &req->spans[i]);
    tlr__json_print_array_end(&json);
    tlr__json_print_array_begin(&json, "stalls");
    for (size_t i = 0; i < req->stall_count; i++) {
        tlr__json_print_object_begin(&json, NULL);
        stall_members_print(&json, &req->stalls[i]);
        tlr__json_print_object_end(&json);
    }
    tlr__json_print_array_end(&json);
    tlr__json_print_array_begin(&json, "waited_behind");
    for (size_t i = 0; i < req->hurt_count; i++) hurt_print(&json, &req->hurts[i]);
    tlr__json_print_array_end(&json);
    tlr__json_print_array_begin(&json, "lines");
    for (size_t i = 0; i < req->line_count; i++)
        tlr__json_print_raw(&json, NULL, req->lines[i].json);
    tlr__json_print_array_end(&json);
    tlr__json_print_object_end(&json);
    putchar('\n');
}
