/* cli.h - the command line of tlr: one table per command makes its parser, help, man page and
 * shell completion.
 *
 *     static struct { int follow; uint64_t lines; } arguments = {.lines = 10};
 *
 *     static const struct tlr__cli_option options[] = {
 *         {.name = "follow", .letter = 'f', .type = TLR__CLI_FLAG, .store.flag = &arguments.follow,
 *          .help = "keep reading as the file grows"},
 *         {.name = "lines", .letter = 'n', .type = TLR__CLI_UNSIGNED, .argument = "N",
 *          .store.number = &arguments.lines, .max = INT_MAX, .word = "all", .default_text = "10",
 *          .help = "show the last N lines first"},
 *     };
 *     const struct tlr__cli_command tlr__tail_command = {
 *         .name = "tail", .operands = "[FILE...]", .operand_max = UINT_MAX,
 *         .summary = "show the end of logs and follow them",
 *         .options = options, .option_count = sizeof(options) / sizeof(options[0]), .run = run};
 *
 * Grammar, GNU's: --name=value, --name value, -n5, -n 5, clustered flags (-fF), `--` ends options,
 * `-` alone is an operand, options and operands mix. A unique beginning of a long name will do.
 * --help is known to every command. A bad option is one line on stderr that names what, where and
 * what was expected, and exit status 2.
 *
 * Contract of every command: data on stdout, notices on stderr, no prompts, and these statuses:
 */
#ifndef TLR_CLI_H
#define TLR_CLI_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum tlr__cli_status {
    TLR__CLI_FOUND = 0,   /* done, or found */
    TLR__CLI_NOTHING = 1, /* nothing found */
    TLR__CLI_ERROR = 2,   /* could not be done: bad option, unreadable path, port in use */
    TLR__CLI_PARTIAL = 3, /* done in part: input was damaged or incomplete */
};

enum tlr__cli_type {
    TLR__CLI_FLAG,     /* no value; store.flag becomes 1 */
    TLR__CLI_STRING,   /* store.string points into argv */
    TLR__CLI_UNSIGNED, /* store.number */
    TLR__CLI_SIZE,     /* store.number, bytes: 4096, 64K, 1M, 2G (powers of 1024) */
    TLR__CLI_DURATION, /* store.number, nanoseconds: 10us 500ms 3s 2m 1h; a bare number is seconds
                        */
    TLR__CLI_CHOICE,   /* store.choice: the index of the word in `choices` */
    TLR__CLI_PORT,     /* store.port: 1 to 65535; with .word = "any", that word stores -1 */
};

struct tlr__cli_option {
    const char *name; /* long name without dashes; required */
    char letter;      /* short name, or 0 */
    enum tlr__cli_type type;
    const char *argument; /* what help calls the value: "N", "FILE"; NULL for flags */
    const char *help;     /* lower case, no full stop; may hold newlines */
    union {               /* left untouched unless the option is given: put the default there */
        int *flag;
        const char **string;
        uint64_t *number;
        int *choice;
        int *port;
    } store;
    uint64_t min, max;          /* of the stored number; max 0: no bound */
    const char *word;           /* a word taken in place of a number; stores UINT64_MAX */
    const char *const *choices; /* TLR__CLI_CHOICE: words, ended by NULL */
    const char *default_text;   /* shown in help as "(default ...)", or NULL */
};

struct tlr__cli_command {
    const char *name;        /* "tail" */
    const char *operands;    /* "[FILE...]", or NULL where there are none */
    unsigned operand_min;    /* fewer or more is an error that quotes `operands` */
    unsigned operand_max;    /* UINT_MAX: any number */
    const char *summary;     /* one line, lower case */
    const char *description; /* paragraphs of lines below 80 columns, or NULL */
    const char *examples;    /* one command a line, or NULL */
    const struct tlr__cli_option *options;
    unsigned option_count;
    /* Operands only, in order; ends in NULL. Returns an enum tlr__cli_status. */
    int (*run)(int operand_count, char **operands);
};

/* Runs the program: finds argv[1] in `commands` (ended by NULL), parses, runs. Also answers --help,
 * --version, `version`, `help [COMMAND]`, `help --man [COMMAND]` and `help --completion bash`.
 * Returns the exit status. Thread: main. */
int tlr__cli_main(const struct tlr__cli_command *const *commands, int argc, char **argv);

/* Parses argv[0..argc), which does not hold the command's own name, moving the operands to the
 * front. Returns how many operands there are; -1 after a message on stderr; -2 when --help was
 * asked and printed. */
int tlr__cli_parse(const struct tlr__cli_command *command, int argc, char **argv);

/* Says "tlr COMMAND: ..." and a newline on stderr, control bytes escaped; notice() is for what goes
 * on, error() for what ends the command: it returns TLR__CLI_ERROR. Thread: any. */
int tlr__cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void tlr__cli_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The values' grammars by themselves. Errors: -EINVAL not of that form; -ERANGE too large. */
int tlr__cli_number_parse(const char *text, uint64_t *number);
int tlr__cli_size_parse(const char *text, uint64_t *bytes);
int tlr__cli_duration_parse(const char *text, uint64_t *duration_ns);

#endif
