/* line_search.h - the lines of a file that hold certain bytes, without looking at the others.
 */
#ifndef TLR_LINE_SEARCH_H
#define TLR_LINE_SEARCH_H

#include <stddef.h>

/* Stops the search when it returns nonzero. line: without its newline, cut at 1 MiB. */
typedef int tlr__line_search_fn(const char *line, size_t bytes, void *user);

/* Calls `found` with each line of `fd`, from its present place, that holds `needle`. Reads blocks
 * of 256 KiB; memory is bounded whatever the file holds. Blocks: on I/O. Returns what `found`
 * returned, or 0 at the end. Errors: errno of read; -ENOMEM. */
int tlr__line_search(int fd, const char *needle, tlr__line_search_fn *found, void *user);

#endif
