/* head_check.h - what RFC 9112 asks of a request line and of header fields beyond their syntax. */
#ifndef TAILRACE_SERVER_HEAD_CHECK_H
#define TAILRACE_SERVER_HEAD_CHECK_H

#include <stddef.h>
#include <stdint.h>

struct tlr__head;

/* Checks a request line, without its line end: a token, a target, HTTP/1.0 or HTTP/1.1, with one
 * space between. Errors: -EBADMSG, with the status to answer and the reason. */
int tlr__head_check_request_line(const char *line, size_t bytes, int *status, const char **reason);

/* Checks target, framing, Host and Expect of a complete head, and fills in what they say (target,
 * expects_continue, host, traceparent). Errors: -EBADMSG, with the status and the reason. */
int tlr__head_check(struct tlr__head *head, const char *text, int *status, const char **reason);

/* Nonzero for the name of a field that frames or routes a message: none may stand in trailers. */
int tlr__head_field_frames(const char *name, size_t bytes);

#endif
