#include "ring_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t align64(uint64_t offset) {
    return (offset + 63) & ~UINT64_C(63);
}

uint64_t tlr__ring_file_process_start(int pid) {
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    const ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    if (bytes <= 0) return 0;
    text[bytes] = '\0';
    /* The second field may hold anything, blanks and brackets too: count from its end. */
    const char *at = strrchr(text, ')');
    if (at != NULL && (at[2] == 'Z' || at[2] == 'X')) return 0; /* dead, though not reaped */
    for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

void tlr__ring_file_default_directory(char out[64]) {
    snprintf(out, 64, "/dev/shm/tailrace-%u", (unsigned)geteuid());
}

/* Someone else's directory, or one that others may write to, is refused: a ring holds log lines. */
static int directory_check(const char *directory) {
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) return -errno;
    struct stat status;
    if (lstat(directory, &status) != 0) return -errno;
    if (!S_ISDIR(status.st_mode)) return -ENOTDIR;
    if (status.st_uid != geteuid() || (status.st_mode & 022) != 0) return -EPERM;
    return 0;
}

static int file_make(const char *directory, const char *name, uint64_t bytes, char **path) {
    char given[64];
    if (directory == NULL) {
        tlr__ring_file_default_directory(given);
        directory = given;
    }
    int error = directory_check(directory);
    if (error != 0) return error;
    /* A log that is opened twice under one name in one process needs two files. */
    for (int copy = 0; copy < TLR_LOGS_MAX; copy++) {
        const int size = asprintf(path, copy == 0 ? "%s/%s.%d.ring" : "%s/%s.%d.%d.ring", directory,
                                  name, (int)getpid(), copy);
        if (size < 0) return -ENOMEM;
        const int fd = open(*path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            do {
                error = posix_fallocate(fd, 0, (off_t)bytes);
            } while (error == EINTR);
            if (error == 0) return fd;
            close(fd);
            unlink(*path);
            free(*path);
            *path = NULL;
            return -error;
        }
        error = -errno;
        free(*path);
        *path = NULL;
        if (error != -EEXIST) return error;
    }
    return -EEXIST;
}

/* header: as it was checked, in memory that nobody else writes to. */
static void regions_set(struct tlr_ring *ring, unsigned char *base,
                        const struct tlr__ring_header *header) {
    ring->header = (struct tlr__ring_header *)base;
    ring->slots = (struct tlr__slot *)(base + header->slots_offset);
    ring->ledger = (struct tlr__ledger_entry *)(base + header->ledger_offset);
    ring->dictionary = (struct tlr__dictionary *)(base + header->dictionary_offset);
    ring->lanes = (struct tlr__lane *)(base + header->lanes_offset);
    ring->bytes = base + header->bytes_offset;
    ring->total_bytes = header->total_bytes;
    ring->slot_count = header->slot_count;
    ring->lane_count = header->lane_count;
    ring->lane_bytes = header->lane_bytes;
}

static struct tlr__ring_header layout(enum tlr_mode mode, unsigned lane_count, uint64_t lane_bytes,
                                      unsigned slot_count) {
    struct tlr__ring_header header = {
        .version = TLR__RING_VERSION,
        .header_bytes = sizeof(struct tlr__ring_header),
        .pid = (int32_t)getpid(),
        .mode = (uint32_t)mode,
        .lane_count = lane_count,
        .slot_count = slot_count,
        .lane_bytes = lane_bytes,
    };
    memcpy(header.magic, TLR__RING_MAGIC, sizeof header.magic);
    header.slots_offset = align64(sizeof header);
    header.ledger_offset = align64(header.slots_offset + slot_count * sizeof(struct tlr__slot));
    header.dictionary_offset =
        align64(header.ledger_offset + TLR_STALLS_KEPT * sizeof(struct tlr__ledger_entry));
    header.lanes_offset = align64(header.dictionary_offset + sizeof(struct tlr__dictionary));
    header.bytes_offset =
        (header.lanes_offset + lane_count * sizeof(struct tlr__lane) + 4095) & ~UINT64_C(4095);
    header.total_bytes = header.bytes_offset + lane_count * lane_bytes;
    return header;
}

int tlr__ring_file_make(struct tlr_ring *ring, const char *directory, const char *name,
                        enum tlr_mode mode, unsigned lane_count, uint64_t lane_bytes) {
    const unsigned lanes = mode == TLR_MODE_RING ? lane_count : 0;
    struct tlr__ring_header header = layout(mode, lanes, lane_bytes, lane_count + 1);
    ring->path = NULL;
    const int fd = file_make(directory, name, header.total_bytes, &ring->path);
    const int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    unsigned char *base =
        mmap(NULL, header.total_bytes, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd, 0);
    const int error = base == MAP_FAILED ? -errno : 0;
    if (fd >= 0) close(fd);
    if (error != 0) {
        if (ring->path != NULL) unlink(ring->path);
        free(ring->path);
        return error;
    }
    header.process_start = tlr__ring_file_process_start(header.pid);
    header.opened_ns = tlr_clock_date_ns(tlr_clock_ticks());
    snprintf(header.name, sizeof header.name, "%s", name);
    memcpy(base, &header, sizeof header);
    regions_set(ring, base, &header);
    tlr__clock_line_copy(&ring->header->clock, tlr__clock_process_line());
    atomic_store_explicit(&ring->header->ring_private, fd < 0 ? fd : 0, memory_order_relaxed);
    atomic_store_explicit(&ring->header->writer_fd, -1, memory_order_relaxed);
    return 0;
}

void tlr__ring_file_remove(struct tlr_ring *ring) {
    if (ring->path != NULL) unlink(ring->path);
}

void tlr__ring_file_unmake(struct tlr_ring *ring) {
    free(ring->path);
    munmap(ring->header, ring->total_bytes);
}

/* ---- looking in from outside ---- */

/* Each region must lie inside the file, whatever its header says. */
static bool header_plausible(const struct tlr__ring_header *header, uint64_t bytes) {
    if (header->header_bytes != sizeof *header || header->total_bytes != bytes) return false;
    if (header->slot_count == 0 || header->slot_count > 4096 || header->lane_count > 4096)
        return false;
    if ((header->lane_count > 0 && header->lane_bytes > bytes) ||
        (header->lane_bytes & (header->lane_bytes - 1)) != 0)
        return false;
    const struct tlr__ring_header expected = layout((enum tlr_mode)header->mode, header->lane_count,
                                                    header->lane_bytes, header->slot_count);
    return expected.slots_offset == header->slots_offset &&
           expected.ledger_offset == header->ledger_offset &&
           expected.dictionary_offset == header->dictionary_offset &&
           expected.lanes_offset == header->lanes_offset &&
           expected.bytes_offset == header->bytes_offset &&
           expected.total_bytes == header->total_bytes;
}

static int map_for_reading(struct tlr_ring *ring, int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) return -errno;
    if (!S_ISREG(status.st_mode) || (size_t)status.st_size < sizeof(struct tlr__ring_header))
        return -EBADMSG;
    const uint64_t bytes = (uint64_t)status.st_size;
    unsigned char *base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) return -errno;
    struct tlr__ring_header header;
    memcpy(&header, base, sizeof header);
    int error = 0;
    if (memcmp(header.magic, TLR__RING_MAGIC, sizeof header.magic) != 0) {
        error = -EBADMSG;
    } else if (header.version != TLR__RING_VERSION) {
        error = -EPROTONOSUPPORT;
    } else if (!header_plausible(&header, bytes)) {
        error = -EBADMSG;
    }
    if (error != 0) {
        munmap(base, bytes);
        return error;
    }
    regions_set(ring, base, &header);
    return 0;
}

int tlr_ring_open(struct tlr_ring **ring, const char *path) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return -errno;
    struct tlr_ring *made = calloc(1, sizeof *made);
    int error = made == NULL ? -ENOMEM : map_for_reading(made, fd);
    close(fd);
    if (error == 0) {
        made->path = strdup(path);
        if (made->path == NULL) {
            munmap(made->header, made->total_bytes);
            error = -ENOMEM;
        }
    }
    if (error != 0) {
        free(made);
        return error;
    }
    *ring = made;
    return 0;
}

void tlr_ring_close(struct tlr_ring *ring) {
    if (ring == NULL) return;
    munmap(ring->header, ring->total_bytes);
    free(ring->path);
    free(ring);
}

/* ---- dictionary ---- */

/* Reserves room by one addition: no lock, so no caller waits for another. Offset 0 means none. */
static uint32_t dictionary_take(struct tlr_ring *ring, uint32_t bytes) {
    const uint32_t rounded = (bytes + 7u) & ~7u;
    /* Once it is full, no more is added: the count must not come round. */
    if (atomic_load_explicit(&ring->header->dictionary_used, memory_order_relaxed) >=
        TLR__DICTIONARY_BYTES)
        return 0;
    const uint32_t at =
        atomic_fetch_add_explicit(&ring->header->dictionary_used, rounded, memory_order_relaxed);
    if (at > TLR__DICTIONARY_BYTES - 8 || rounded > TLR__DICTIONARY_BYTES - 8 - at) return 0;
    return at + 8;
}

void tlr__ring_file_add_site(struct tlr_ring *ring, unsigned number, const struct tlr_site *site) {
    if (atomic_load_explicit(&ring->dictionary->sites[number], memory_order_acquire) != 0) return;
    const char *file = site->file;
    const size_t file_bytes_whole = strlen(file);
    if (file_bytes_whole >= TLR_FILE_BYTES) file += file_bytes_whole - (TLR_FILE_BYTES - 1);
    const size_t format_bytes = strlen(site->format) + 1;
    struct tlr__dictionary_entry entry = {
        .line = site->line,
        .level = site->level,
        .value_count = site->value_count,
        .file_bytes = (uint16_t)(strlen(file) + 1),
        .function_bytes = (uint16_t)(strnlen(site->function, TLR_FUNCTION_BYTES - 1) + 1),
        .format_bytes = (uint32_t)format_bytes,
    };
    if (format_bytes > TLR__DICTIONARY_BYTES) return;
    entry.bytes = (uint32_t)(sizeof entry + entry.value_count + entry.file_bytes +
                             entry.function_bytes + format_bytes);
    const uint32_t at = dictionary_take(ring, entry.bytes);
    if (at == 0) return;
    unsigned char *out = ring->dictionary->bytes + at;
    memcpy(out, &entry, sizeof entry);
    out += sizeof entry;
    if (entry.value_count > 0) memcpy(out, site->tags, entry.value_count);
    out += entry.value_count;
    memcpy(out, file, entry.file_bytes);
    out += entry.file_bytes;
    memcpy(out, site->function,
           entry.function_bytes - 1u); /* the terminator is there: zeroed memory */
    out += entry.function_bytes;
    memcpy(out, site->format, format_bytes);
    atomic_store_explicit(&ring->dictionary->sites[number], at, memory_order_release);
}

void tlr__ring_file_add_category(struct tlr_ring *ring, unsigned number, const char *name) {
    const size_t bytes = strlen(name) + 1;
    if (bytes > 256) return;
    if (atomic_load_explicit(&ring->dictionary->categories[number], memory_order_acquire) != 0)
        return;
    const uint32_t at = dictionary_take(ring, (uint32_t)bytes);
    if (at == 0) return;
    memcpy(ring->dictionary->bytes + at, name, bytes);
    atomic_store_explicit(&ring->dictionary->categories[number], at, memory_order_release);
}

static bool terminated(const char *text, size_t bytes) {
    return bytes > 0 && text[bytes - 1] == '\0' && memchr(text, '\0', bytes) == text + bytes - 1;
}

int tlr__ring_file_site(const struct tlr_ring *ring, unsigned number, struct tlr__site_text *text) {
    if (number == 0 || number >= TLR__SITES_MAX) return -ENOENT;
    const uint32_t at =
        atomic_load_explicit(&ring->dictionary->sites[number], memory_order_acquire);
    struct tlr__dictionary_entry entry;
    if (at == 0 || at > TLR__DICTIONARY_BYTES - sizeof entry) return -ENOENT;
    const unsigned char *in = ring->dictionary->bytes + at;
    memcpy(&entry, in, sizeof entry);
    const uint64_t bytes = sizeof entry + (uint64_t)entry.value_count + entry.file_bytes +
                           entry.function_bytes + entry.format_bytes;
    if (entry.value_count > TLR_VALUES_MAX || bytes > TLR__DICTIONARY_BYTES - at) return -ENOENT;
    text->tags = in + sizeof entry;
    text->file = (const char *)text->tags + entry.value_count;
    text->function = text->file + entry.file_bytes;
    text->format = text->function + entry.function_bytes;
    if (!terminated(text->file, entry.file_bytes) ||
        !terminated(text->function, entry.function_bytes) ||
        !terminated(text->format, entry.format_bytes))
        return -ENOENT;
    text->line = entry.line;
    text->value_count = entry.value_count;
    text->level = (enum tlr_level)entry.level;
    return 0;
}

const char *tlr__ring_file_category(const struct tlr_ring *ring, unsigned number) {
    if (number == 0 || number >= TLR__CATEGORIES_MAX) return NULL;
    const uint32_t at =
        atomic_load_explicit(&ring->dictionary->categories[number], memory_order_acquire);
    if (at == 0 || at >= TLR__DICTIONARY_BYTES) return NULL;
    const char *name = (const char *)ring->dictionary->bytes + at;
    return memchr(name, '\0', TLR__DICTIONARY_BYTES - at) != NULL ? name : NULL;
}

void tlr__ring_file_text_store(_Atomic uint64_t *words, size_t count, const char *text) {
    size_t left = strlen(text);
    for (size_t i = 0; i < count; i++) {
        uint64_t word = 0;
        const size_t bytes = left < 8 ? left : 8;
        memcpy(&word, text, bytes);
        text += bytes;
        left -= bytes;
        atomic_store_explicit(&words[i], word, memory_order_release);
    }
}

void tlr__ring_file_text_load(const _Atomic uint64_t *words, size_t count, char *out) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t word = atomic_load_explicit(&words[i], memory_order_acquire);
        memcpy(out + i * 8, &word, 8);
    }
    out[count * 8 - 1] = '\0';
}
