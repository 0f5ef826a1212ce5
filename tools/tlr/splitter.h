/* splitter.h - bytes as they come, lines as they are whole.
 *
 * A line without its newline is kept until the rest comes. Lines above TLR__LINE_BYTES_MAX are cut
 * there and counted: memory has a bound whatever the file holds.
 */
#ifndef TLR_SPLITTER_H
#define TLR_SPLITTER_H

#include <stddef.h>
#include <stdint.h>

#define TLR__LINE_BYTES_MAX (1024u * 1024u)
#define TLR__READ_BYTES (256u * 1024u)

struct tlr__splitter {
    char *buffer;
    size_t capacity;
    size_t begin, end; /* bytes not yet given out */
    size_t searched;   /* of these, known to hold no newline */
    int skipping;      /* the rest of a line that was cut */
    uint64_t cut;      /* lines cut so far */
};

/* Begins empty: all zeros will do. free() releases what it took; it may be used again. */
void tlr__splitter_free(struct tlr__splitter *splitter);

/* Where to read the next bytes to: room for at least TLR__READ_BYTES. NULL: out of memory. */
char *tlr__splitter_room(struct tlr__splitter *splitter, size_t *bytes);
void tlr__splitter_add(struct tlr__splitter *splitter, size_t bytes);

/* The next whole line, without its newline: 1, or 0. Valid until the next call. */
int tlr__splitter_next(struct tlr__splitter *splitter, const char **line, size_t *bytes);

/* What is left without a newline, as a line: 1, or 0 if there is nothing. For the end of input. */
int tlr__splitter_rest(struct tlr__splitter *splitter, const char **line, size_t *bytes);

#endif
