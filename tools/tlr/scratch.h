/* scratch.h - a directory of one's own for the length of a run.
 */
#ifndef TLR_SCRATCH_H
#define TLR_SCRATCH_H

#define TLR__SCRATCH_BYTES 256

/* Makes a new directory of mode 0700 below `parent` (NULL: $TMPDIR, else the system's place for
 * temporary files); its path goes to `path`.
 * Errors: -ENAMETOOLONG; errno of making it, `path` then says where. */
int tlr__scratch_make(char path[TLR__SCRATCH_BYTES], const char *parent, const char *name);

/* Removes it with all that is in it. "": no-op. */
void tlr__scratch_remove(const char *path);

/* "DIRECTORY/NAME" in `out`, cut if it does not fit. Returns `out`. */
const char *tlr__scratch_path(char out[TLR__SCRATCH_BYTES], const char *directory,
                              const char *name);

#endif
