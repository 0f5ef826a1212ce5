#include "segment.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tailrace/clock.h>
#include <unistd.h>

/* True if the rest of a file's name reads YYYYMMDDTHHMMSSZ-PID-SEQUENCE.tlr, 0 standing for digits.
 */
static bool suffix_matches(const char *text) {
    for (const char *pattern = "00000000T000000Z-"; *pattern; pattern++, text++) {
        if (*pattern == '0' ? !isdigit((unsigned char)*text) : *pattern != *text) return false;
    }
    size_t pid_digits = strspn(text, "0123456789");
    text += pid_digits;
    if (pid_digits == 0 || *text++ != '-') return false;
    size_t sequence_digits = strspn(text, "0123456789");
    return sequence_digits >= 6 && !strcmp(text + sequence_digits, ".tlr");
}

static bool name_matches(const char *file_name, const char *name) {
    size_t bytes = strlen(file_name);
    if (bytes < 5 || strcmp(file_name + bytes - 4, ".tlr")) return false;
    if (!name) return true;
    size_t name_bytes = strlen(name);
    return !strncmp(file_name, name, name_bytes) && file_name[name_bytes] == '-' &&
           suffix_matches(file_name + name_bytes + 1);
}

/* Looks at one file. Errors: -ENOENT gone, or no regular file. */
static int file_look(int directory, const char *file_name, struct tlr__segment_file *file) {
    int fd = openat(directory, file_name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    int failed = fd < 0 ? fstatat(directory, file_name, &status, 0) : fstat(fd, &status);
    if (failed || !S_ISREG(status.st_mode)) {
        if (fd >= 0) close(fd);
        return -ENOENT;
    }
    file->bytes = (uint64_t)status.st_size;
    file->created_ns =
        (uint64_t)status.st_mtim.tv_sec * TLR_NS_PER_S + (uint64_t)status.st_mtim.tv_nsec;
    unsigned char bytes[TLR__SEGMENT_FILE_HEADER_BYTES];
    struct tlr__segment_file_header header;
    ssize_t got = fd < 0 ? 0 : pread(fd, bytes, sizeof bytes, 0);
    if (got > 0 && !tlr__segment_file_header_load(bytes, (size_t)got, &header)) {
        file->created_ns = header.created_ns;
    }
    if (fd >= 0) close(fd);
    return 0;
}

static int listing_append(struct tlr__segment_listing *listing, size_t *capacity,
                          const struct tlr__segment_file *file, const char *directory,
                          const char *file_name) {
    if (listing->count == *capacity) {
        size_t grown = *capacity ? *capacity * 2 : 32;
        struct tlr__segment_file *files = realloc(listing->files, grown * sizeof *files);
        if (!files) return -ENOMEM;
        listing->files = files;
        *capacity = grown;
    }
    struct tlr__segment_file *place = &listing->files[listing->count];
    *place = *file;
    if (asprintf(&place->path, "%s/%s", directory, file_name) < 0) return -ENOMEM;
    listing->count++;
    return 0;
}

static int older_first(const void *left, const void *right) {
    const struct tlr__segment_file *a = left, *b = right;
    if (a->created_ns != b->created_ns) return a->created_ns < b->created_ns ? -1 : 1;
    return strcmp(a->path, b->path);
}

int tlr__segment_listing_make(const char *directory, const char *name,
                              struct tlr__segment_listing *listing) {
    DIR *stream = opendir(directory);
    if (!stream) return -errno;
    struct tlr__segment_listing made = {0};
    size_t capacity = 0;
    int error = 0;
    while (!error) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) {
            error = -errno;
            break;
        }
        struct tlr__segment_file file;
        if (!name_matches(entry->d_name, name)) continue;
        if (file_look(dirfd(stream), entry->d_name, &file)) continue;
        error = listing_append(&made, &capacity, &file, directory, entry->d_name);
    }
    closedir(stream);
    if (error) {
        tlr__segment_listing_free(&made);
        return error;
    }
    if (made.count) qsort(made.files, made.count, sizeof *made.files, older_first);
    *listing = made;
    return 0;
}

void tlr__segment_listing_free(struct tlr__segment_listing *listing) {
    for (size_t i = 0; i < listing->count; i++) free(listing->files[i].path);
    free(listing->files);
}

int tlr_segment_find(const char *directory, tlr_segment_visit_fn *visit, void *user) {
    struct tlr__segment_listing listing;
    int result = tlr__segment_listing_make(directory, NULL, &listing);
    if (result) return result;
    for (size_t i = 0; i < listing.count && !result; i++) {
        result = visit(listing.files[i].path, user);
    }
    tlr__segment_listing_free(&listing);
    return result;
}
