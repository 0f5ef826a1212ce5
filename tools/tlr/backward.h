/* backward.h - where the last N lines of a file begin, read from its end.
 */
#ifndef TLR_BACKWARD_H
#define TLR_BACKWARD_H

#include <stdint.h>
#include <sys/types.h>

#include "show.h"

struct tlr__backward {
    int fd;                       /* a regular file */
    off_t end;                    /* look at what is before this */
    uint64_t lines;               /* how many */
    int torn_counts;              /* a last line without newline is one of them */
    const struct tlr__show *show; /* only lines that pass its filter count */
};

/* Where the first of them begins; the file's start if there are fewer. Reads blocks of 256 KiB, no
 * further back than needed, in bounded memory. Errors: errno of pread; -ENOMEM. */
int tlr__backward_find(const struct tlr__backward *search, off_t *begin);

#endif
