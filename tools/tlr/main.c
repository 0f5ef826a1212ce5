/* main.c - tlr: the commands there are.
 */
#include "cli.h"

extern const struct tlr__cli_command tlr__serve_command;
extern const struct tlr__cli_command tlr__tail_command;
extern const struct tlr__cli_command tlr__req_command;
extern const struct tlr__cli_command tlr__stalls_command;
extern const struct tlr__cli_command tlr__lab_command;
extern const struct tlr__cli_command tlr__bench_command;

static const struct tlr__cli_command *const commands[] = {
    &tlr__serve_command,
    &tlr__tail_command,
    &tlr__req_command,
    &tlr__stalls_command,
    &tlr__lab_command,
    &tlr__bench_command,
    NULL,
};

int main(int argc, char **argv) {
    return tlr__cli_main(commands, argc, argv);
}
