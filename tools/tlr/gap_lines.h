/* gap_lines.h - the lines in which a log tells of records that it dropped.
 */
#ifndef TLR_GAP_LINES_H
#define TLR_GAP_LINES_H

#include <stdint.h>

/* Adds to *records what the gap lines of a log (text or JSON lines, a regular file) announce as
 * dropped. Blocks: on I/O. Errors: errno of open and read; -EINVAL not a regular file; -ENOMEM. */
int tlr__gap_lines_count(const char *path, uint64_t *records);

#endif
