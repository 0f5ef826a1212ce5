/* stalls_json.h - what `tlr stalls` found, as one JSON document on stdout.
 */
#ifndef TLR_STALLS_JSON_H
#define TLR_STALLS_JSON_H

#include "stalls_print.h"

void tlr__stalls_json_print(const struct tlr__stalls_report *report);

#endif
