/* public_use.c - uses the public macros as a service would; compiled as C and as C++ by headers.sh.
 */
#include <inttypes.h>
#include <tailrace/server.h>

extern struct tlr_category service;
TLR_CATEGORY(service, "service");

struct opaque;
enum colour { RED = 1 };

extern void use_levels(struct opaque *opaque, const volatile void *address);
void use_levels(struct opaque *opaque, const volatile void *address) {
    struct {
        unsigned bits : 3;
    } field = {5};
    char buffer[8] = "text";
    const char *text = NULL;
    long double wide = 1.5L;
    float narrow = 0.5f;
    enum colour colour = RED;
    unsigned char small = 3;

    tlr_error(&service, "no argument");
    tlr_warn(&service, "status=%d bits=%u small=%d colour=%d", 200, field.bits, small, (int)colour);
    tlr_info(&service, "duration_us=%" PRIu64 " size=%zu", UINT64_C(7), sizeof buffer);
    tlr_debug(&service, "text=%s buffer=%s cut=%.*s", text ? text : "-", buffer, 2, buffer);
    tlr_info(&service, "narrow=%f wide=%Lf", (double)narrow, wide);
    tlr_info(&service, "opaque=%p address=%p", (void *)opaque, (const void *)(uintptr_t)address);
    tlr_info(&service, "%d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7, 8, 9,
             10, 11, 12, 13, 14, 15, 16);
}

extern void use_block(int fd);
void use_block(int fd) {
    struct tlr_block block;
    tlr_block_begin(&block, TLR_CAUSE_FILE, fd);
    (void)tlr_block_end(&block);
}

static void answer(struct tlr_exchange *exchange, void *user) {
    (void)user;
    tlr_response_text(exchange, 200, "text/plain", "hello\n", 6);
}

extern int use_route(struct tlr_server *server);
int use_route(struct tlr_server *server) {
    return tlr_server_route(server, "GET", "/", TLR_ON_LOOP, answer, NULL);
}
