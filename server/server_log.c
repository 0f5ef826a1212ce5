#include "server_log.h"

TLR_CATEGORY(tlr__server_log_http, "server.http");
TLR_CATEGORY(tlr__server_log_access, "server.access");
TLR_CATEGORY(tlr__server_log_admin, "server.admin");

void tlr__server_log_bind(const struct tlr_log *log) {
    tlr_category_bind(&tlr__server_log_http, log);
    tlr_category_bind(&tlr__server_log_access, log);
    tlr_category_bind(&tlr__server_log_admin, log);
}
