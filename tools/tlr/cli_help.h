/* cli_help.h - what the commands' tables say: for a terminal, for man, and for bash.
 */
#ifndef TLR_CLI_HELP_H
#define TLR_CLI_HELP_H

#include <stdio.h>

#include "cli.h"

/* One command, and all of them (ended by NULL). */
void tlr__cli_help_command(const struct tlr__cli_command *command, FILE *out);
void tlr__cli_help_overview(const struct tlr__cli_command *const *commands, FILE *out);

/* The same as man pages, in troff's man macros. */
void tlr__cli_help_man(const struct tlr__cli_command *command, FILE *out);
void tlr__cli_help_man_overview(const struct tlr__cli_command *const *commands, FILE *out);

/* A bash script to be sourced. */
void tlr__cli_help_completion(const struct tlr__cli_command *const *commands, FILE *out);

#endif
