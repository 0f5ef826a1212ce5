/* ring.c - a ring file with any of its bytes changed: what is read from it stays within it.
 *
 * Input: changes of {4 bytes offset, 8 bytes value}, to a ring file as a log left it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tailrace/ring.h>
#include <unistd.h>

#define BEGINNING_BYTES 8192

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static TLR_CATEGORY(category, "fuzz");

static unsigned char *image;
static size_t image_bytes;

static void image_read(const char *path) {
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0) abort();
    image_bytes = (size_t)status.st_size;
    image = malloc(image_bytes);
    if (image == NULL || pread(fd, image, image_bytes, 0) != status.st_size) abort();
    close(fd);
}

/* A log with a thread, records and a stall, small enough to be copied for each input. */
static void image_make(void) {
    struct tlr_log *log;
    const int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct tlr_log_options options = {
        .fd = fd, .lane_count = 2, .lane_bytes = 4096, .stall_threshold_ns = 1};
    if (fd < 0 || tlr_log_open(&log, &options) < 0) abort();
    if (tlr_thread_attach(log, "fuzz", TLR_ROLE_OTHER) < 0) abort();
    struct tlr_block block;
    tlr_block_begin(&block, TLR_CAUSE_FILE, fd);
    tlr_block_end(&block);
    tlr_warn(&category, "record number=%d text=%s", 1, "one");
    if (tlr_log_flush(log, 5 * TLR_NS_PER_S) < 0) abort();
    image_read(tlr_log_ring_path(log));
    if (tlr_log_close(log, 5 * TLR_NS_PER_S) < 0) abort();
    close(fd);
}

static void must_end(const char *text, size_t bytes) {
    if (memchr(text, '\0', bytes) == NULL) abort();
}

static void ring_look(const struct tlr_ring *ring) {
    struct tlr_ring_info info;
    struct tlr_log_stats stats;
    tlr_ring_info(ring, &info);
    tlr_ring_stats(ring, &stats);
    must_end(info.name, sizeof info.name);
    must_end(info.target, sizeof info.target);
    for (unsigned i = 0; i < tlr_ring_thread_count(ring); i++) {
        struct tlr_thread_view view;
        if (tlr_ring_thread(ring, i, &view) < 0) continue;
        must_end(view.name, sizeof view.name);
        must_end(view.file, sizeof view.file);
        must_end(view.function, sizeof view.function);
    }
    struct tlr_stall stalls[64];
    const size_t count = tlr_ring_stalls(ring, stalls, 64);
    if (count > 64) abort();
    for (size_t i = 0; i < count; i++) {
        must_end(stalls[i].thread, sizeof stalls[i].thread);
        must_end(stalls[i].file, sizeof stalls[i].file);
        must_end(stalls[i].target, sizeof stalls[i].target);
    }
}

/* A file of its own: a ring file is not opened through a link, so not through /proc either. */
static char changed_path[] = "/dev/shm/fuzz-ring-XXXXXX";

static void changed_remove(void) {
    unlink(changed_path);
}

static int changed_open(void) {
    static int fd = -1;
    if (fd >= 0) return fd;
    image_make();
    fd = mkstemp(changed_path);
    if (fd < 0) abort();
    atexit(changed_remove);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const int fd = changed_open();
    if (pwrite(fd, image, image_bytes, 0) != (ssize_t)image_bytes) abort();
    for (; size >= 12; bytes += 12, size -= 12) {
        uint32_t offset;
        memcpy(&offset, bytes, sizeof offset);
        /* Most changes go to the beginning: header, slots, ledger. */
        const size_t range = offset >> 30 != 3 ? BEGINNING_BYTES : image_bytes - 8;
        if (pwrite(fd, bytes + 4, 8, (off_t)(offset % range)) != 8) abort();
    }
    /* What is left of the input cuts the file. */
    if (size > 0 && ftruncate(fd, (off_t)(bytes[0] * image_bytes / 256)) < 0) abort();

    struct tlr_ring *ring;
    if (tlr_ring_open(&ring, changed_path) == 0) {
        ring_look(ring);
        tlr_ring_close(ring);
    }
    return 0;
}
