/* req_print.h - one request whole, on stdout, for people.
 */
#ifndef TLR_REQ_PRINT_H
#define TLR_REQ_PRINT_H

#include "req_find.h"

void tlr__req_print_text(const struct tlr__req *req);

/* The trace ids that an ambiguous prefix could mean. */
void tlr__req_print_candidates(const struct tlr__req *req);

#endif
