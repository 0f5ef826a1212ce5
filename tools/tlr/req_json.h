/* req_json.h - one request whole, as one JSON document on stdout.
 */
#ifndef TLR_REQ_JSON_H
#define TLR_REQ_JSON_H

#include "req_find.h"

void tlr__req_json_print(const struct tlr__req *req);

#endif
