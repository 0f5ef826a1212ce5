/* cli.c - the parser and the choice of command. Help, man page and completion are in cli_help.c.
 */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_help.h"
#include "safe.h"

enum { HELP_PRINTED = -2, BAD = -1 };

static const struct tlr__cli_option help_option = {
    .name = "help", .type = TLR__CLI_FLAG, .help = "show this help"};

/* What messages begin with; a program runs one command. */
static const char *running_command;

/* ---- messages ------------------------------------------------------------------------------ */

__attribute__((format(printf, 1, 0))) static void message(const char *format, va_list arguments) {
    char text[1024], safe[4 * sizeof(text)];
    vsnprintf(text, sizeof(text), format, arguments);
    size_t bytes = tlr__safe_text(text, strlen(text), safe);
    /* What is on stdout comes first where both are the same terminal. */
    fflush(stdout);
    fprintf(stderr, "tlr%s%s: %.*s\n", running_command ? " " : "",
            running_command ? running_command : "", (int)bytes, safe);
}

int tlr__cli_error(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    message(format, arguments);
    va_end(arguments);
    return TLR__CLI_ERROR;
}

void tlr__cli_notice(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    message(format, arguments);
    va_end(arguments);
}

/* ---- values -------------------------------------------------------------------------------- */

/* Reads digits, and a decimal fraction where `fraction` is not NULL: billionths in *fraction. */
static int digits_parse(const char **text, uint64_t *whole, uint64_t *fraction) {
    const char *at = *text;
    uint64_t value = 0, parts = 0;
    if (*at < '0' || *at > '9') return -EINVAL;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return -ERANGE;
    }
    if (fraction && *at == '.') {
        uint64_t place = 100000000;
        at++;
        if (*at < '0' || *at > '9') return -EINVAL;
        for (; *at >= '0' && *at <= '9'; at++, place /= 10) parts += (uint64_t)(*at - '0') * place;
    }
    if (fraction) *fraction = parts;
    *whole = value;
    *text = at;
    return 0;
}

/* whole.fraction units of `unit` each. */
static int scale(uint64_t whole, uint64_t fraction, uint64_t unit, uint64_t *result) {
    uint64_t value;
    uint64_t rest = (uint64_t)((double)fraction * (double)unit / 1e9 + 0.5);
    if (__builtin_mul_overflow(whole, unit, &value) || __builtin_add_overflow(value, rest, &value))
        return -ERANGE;
    *result = value;
    return 0;
}

int tlr__cli_number_parse(const char *text, uint64_t *number) {
    uint64_t value;
    int error = digits_parse(&text, &value, NULL);
    if (error < 0) return error;
    if (*text) return -EINVAL;
    *number = value;
    return 0;
}

int tlr__cli_size_parse(const char *text, uint64_t *bytes) {
    static const char letters[] = "KkMmGgTt";
    uint64_t whole, fraction, unit = 1;
    int error = digits_parse(&text, &whole, &fraction);
    if (error < 0) return error;
    if (*text) {
        const char *letter = strchr(letters, *text++);
        if (!letter) return -EINVAL;
        unit = UINT64_C(1024) << (10 * ((letter - letters) / 2));
        if (*text == 'i') text++;
        if (*text == 'B') text++;
    }
    if (*text || (fraction && unit == 1)) return -EINVAL;
    return scale(whole, fraction, unit, bytes);
}

int tlr__cli_duration_parse(const char *text, uint64_t *duration_ns) {
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"", 1000000000},
                 {"s", 1000000000},
                 {"ms", 1000000},
                 {"us", 1000},
                 {"ns", 1},
                 {"m", 60000000000},
                 {"min", 60000000000},
                 {"h", 3600000000000},
                 {"d", 86400000000000}};
    uint64_t whole, fraction;
    int error = digits_parse(&text, &whole, &fraction);
    if (error < 0) return error;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (!strcmp(text, units[i].name)) return scale(whole, fraction, units[i].ns, duration_ns);
    return -EINVAL;
}

/* ---- one option ---------------------------------------------------------------------------- */

/* How the user wrote it: "-n" or "--lines". */
struct spelling {
    char text[64];
};

static int is_number(enum tlr__cli_type type) {
    return type == TLR__CLI_UNSIGNED || type == TLR__CLI_SIZE || type == TLR__CLI_DURATION ||
           type == TLR__CLI_PORT;
}

/* ` (expected 1 to 65535, or "any")`, with what the table knows. */
static void expected_print(const struct tlr__cli_option *option, char *out, size_t size) {
    static const char *const form[] = {
        [TLR__CLI_UNSIGNED] = "a whole number",
        [TLR__CLI_SIZE] = "a size such as 4096, 64K or 1M",
        [TLR__CLI_DURATION] = "a duration such as 500ms, 3s or 2m",
        [TLR__CLI_PORT] = "1 to 65535",
    };
    int used;
    if (option->type == TLR__CLI_CHOICE) {
        used = snprintf(out, size, " (expected ");
        for (int i = 0; option->choices[i] && used < (int)size; i++) {
            const char *before = i == 0 ? "" : option->choices[i + 1] ? ", " : " or ";
            used += snprintf(out + used, size - (size_t)used, "%s%s", before, option->choices[i]);
        }
    } else if (option->max && option->type == TLR__CLI_UNSIGNED) {
        used = snprintf(out, size, " (expected %llu to %llu", (unsigned long long)option->min,
                        (unsigned long long)option->max);
    } else {
        used = snprintf(out, size, " (expected %s", form[option->type]);
    }
    if (used < (int)size)
        snprintf(out + used, size - (size_t)used, "%s%s%s)", option->word ? ", or \"" : "",
                 option->word ? option->word : "", option->word ? "\"" : "");
}

static int value_bad(const struct tlr__cli_option *option, const struct spelling *spelling,
                     const char *value, int error) {
    char expected[256];
    expected_print(option, expected, sizeof(expected));
    const char *what = error == -ERANGE                    ? "is out of range"
                       : option->type == TLR__CLI_CHOICE   ? "is not known"
                       : option->type == TLR__CLI_SIZE     ? "is not a size"
                       : option->type == TLR__CLI_PORT     ? "is not a port"
                       : option->type == TLR__CLI_DURATION ? "is not a duration"
                                                           : "is not a number";
    tlr__cli_error("%s: \"%s\" %s%s", spelling->text, value, what, expected);
    return BAD;
}

static int number_store(const struct tlr__cli_option *option, const struct spelling *spelling,
                        const char *value) {
    uint64_t number = UINT64_MAX;
    int is_word = option->word && !strcmp(value, option->word);
    if (!is_word) {
        uint64_t max = option->max                     ? option->max
                       : option->type == TLR__CLI_PORT ? 65535
                                                       : UINT64_MAX;
        uint64_t min = option->type == TLR__CLI_PORT && !option->min ? 1 : option->min;
        int error = option->type == TLR__CLI_SIZE       ? tlr__cli_size_parse(value, &number)
                    : option->type == TLR__CLI_DURATION ? tlr__cli_duration_parse(value, &number)
                                                        : tlr__cli_number_parse(value, &number);
        if (!error && (number < min || number > max)) error = -ERANGE;
        if (error) return value_bad(option, spelling, value, error);
    }
    if (option->type == TLR__CLI_PORT)
        *option->store.port = is_word ? -1 : (int)number;
    else
        *option->store.number = number;
    return 0;
}

static int option_store(const struct tlr__cli_option *option, const struct spelling *spelling,
                        const char *value) {
    if (is_number(option->type)) return number_store(option, spelling, value);
    switch (option->type) {
    case TLR__CLI_FLAG:
        *option->store.flag = 1;
        return 0;
    case TLR__CLI_STRING:
        *option->store.string = value;
        return 0;
    default:
        for (int i = 0; option->choices[i]; i++) {
            if (strcmp(option->choices[i], value)) continue;
            *option->store.choice = i;
            return 0;
        }
        return value_bad(option, spelling, value, -EINVAL);
    }
}

/* ---- finding options ----------------------------------------------------------------------- */

static const struct tlr__cli_option *option_by_letter(const struct tlr__cli_command *command,
                                                      char letter) {
    for (unsigned i = 0; i < command->option_count; i++)
        if (command->options[i].letter == letter) return &command->options[i];
    return letter == 'h' ? &help_option : NULL;
}

/* The option of that name, or the only one that begins so. */
static const struct tlr__cli_option *option_by_name(const struct tlr__cli_command *command,
                                                    const char *name, size_t size) {
    const struct tlr__cli_option *found = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i <= command->option_count; i++) {
        const struct tlr__cli_option *option =
            i < command->option_count ? &command->options[i] : &help_option;
        if (strncmp(option->name, name, size)) continue;
        if (!option->name[size]) return option;
        found = option;
        count++;
    }
    if (count > 1) {
        tlr__cli_error("--%.*s: could be more than one option (see tlr %s --help)", (int)size, name,
                       command->name);
        return NULL;
    }
    if (!found)
        tlr__cli_error("--%.*s: no such option (see tlr %s --help)", (int)size, name,
                       command->name);
    return found;
}

/* ---- arguments ----------------------------------------------------------------------------- */

static int long_parse(const struct tlr__cli_command *command, int argc, char **argv, int *index) {
    const char *name = argv[*index] + 2;
    const char *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const struct tlr__cli_option *option = option_by_name(command, name, size);
    if (!option) return BAD;
    struct spelling spelling;
    snprintf(spelling.text, sizeof(spelling.text), "--%s", option->name);
    if (option == &help_option) return HELP_PRINTED;
    if (option->type == TLR__CLI_FLAG) {
        if (!equals) return option_store(option, &spelling, NULL);
        tlr__cli_error("%s: takes no value", spelling.text);
        return BAD;
    }
    if (equals) return option_store(option, &spelling, equals + 1);
    if (*index + 1 >= argc) {
        tlr__cli_error("%s: a value is missing (%s)", spelling.text, option->argument);
        return BAD;
    }
    return option_store(option, &spelling, argv[++*index]);
}

/* A cluster: flags, and last an option whose value is the rest or the next argument. */
static int short_parse(const struct tlr__cli_command *command, int argc, char **argv, int *index) {
    for (const char *at = argv[*index] + 1; *at; at++) {
        const struct tlr__cli_option *option = option_by_letter(command, *at);
        struct spelling spelling = {{'-', *at, 0}};
        if (!option) {
            tlr__cli_error("%s: no such option (see tlr %s --help)", spelling.text, command->name);
            return BAD;
        }
        if (option == &help_option) return HELP_PRINTED;
        if (option->type == TLR__CLI_FLAG) {
            option_store(option, &spelling, NULL);
            continue;
        }
        if (at[1]) return option_store(option, &spelling, at + 1);
        if (*index + 1 < argc) return option_store(option, &spelling, argv[++*index]);
        tlr__cli_error("%s: a value is missing (%s)", spelling.text, option->argument);
        return BAD;
    }
    return 0;
}

static int operands_check(const struct tlr__cli_command *command, unsigned count, char **argv) {
    if (!command->operand_max && count) {
        tlr__cli_error("\"%s\": no argument is expected here (see tlr %s --help)", argv[0],
                       command->name);
        return BAD;
    }
    if (count < command->operand_min || count > command->operand_max) {
        tlr__cli_error("too %s arguments (expected %s)",
                       count < command->operand_min ? "few" : "many", command->operands);
        return BAD;
    }
    return (int)count;
}

int tlr__cli_parse(const struct tlr__cli_command *command, int argc, char **argv) {
    int operands = 0, options_ended = 0;
    for (int i = 0; i < argc; i++) {
        char *argument = argv[i];
        int result = 0;
        if (options_ended || argument[0] != '-' || !argument[1])
            argv[operands++] = argument;
        else if (!strcmp(argument, "--"))
            options_ended = 1;
        else if (argument[1] == '-')
            result = long_parse(command, argc, argv, &i);
        else
            result = short_parse(command, argc, argv, &i);
        if (result == HELP_PRINTED) tlr__cli_help_command(command, stdout);
        if (result < 0) return result;
    }
    int checked = operands_check(command, (unsigned)operands, argv);
    if (checked >= 0) argv[operands] = NULL;
    return checked;
}

/* ---- commands ------------------------------------------------------------------------------ */

static const struct tlr__cli_command *
command_by_name(const struct tlr__cli_command *const *commands, const char *name) {
    for (; *commands; commands++)
        if (!strcmp((*commands)->name, name)) return *commands;
    tlr__cli_error("\"%s\": no such command (see tlr --help)", name);
    return NULL;
}

/* tlr help [--man|--completion bash] [COMMAND] */
static int help_run(const struct tlr__cli_command *const *commands, int argc, char **argv) {
    int man = argc > 0 && !strcmp(argv[0], "--man");
    if (argc > 0 && !strcmp(argv[0], "--completion")) {
        if (argc != 2 || strcmp(argv[1], "bash"))
            return tlr__cli_error("--completion: expected bash, the one shell it is made for");
        tlr__cli_help_completion(commands, stdout);
        return TLR__CLI_FOUND;
    }
    argc -= man;
    argv += man;
    if (argc == 1 && !man &&
        (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h") || !strcmp(argv[0], "help") ||
         !strcmp(argv[0], "version")))
        argc = 0;
    if (argc > 1) return tlr__cli_error("help: too many arguments (expected [--man] [COMMAND])");
    if (argc == 0) {
        if (man)
            tlr__cli_help_man_overview(commands, stdout);
        else
            tlr__cli_help_overview(commands, stdout);
        return TLR__CLI_FOUND;
    }
    const struct tlr__cli_command *command = command_by_name(commands, argv[0]);
    if (!command) return TLR__CLI_ERROR;
    if (man)
        tlr__cli_help_man(command, stdout);
    else
        tlr__cli_help_command(command, stdout);
    return TLR__CLI_FOUND;
}

static int command_run(const struct tlr__cli_command *command, int argc, char **argv) {
    running_command = command->name;
    int operands = tlr__cli_parse(command, argc, argv);
    if (operands == HELP_PRINTED) return TLR__CLI_FOUND;
    if (operands < 0) return TLR__CLI_ERROR;
    return command->run(operands, argv);
}

/* A full disk behind stdout must not look like success; a reader that went away is its own choice.
 */
static int output_check(int status) {
    int failed = ferror(stdout);
    errno = 0;
    if (fflush(stdout) == EOF) failed = 1;
    if (!failed || errno == EPIPE || errno == 0) return status;
    return tlr__cli_error("standard output: %s", strerror(errno));
}

int tlr__cli_main(const struct tlr__cli_command *const *commands, int argc, char **argv) {
    if (argc < 2) {
        tlr__cli_help_overview(commands, stderr);
        return TLR__CLI_ERROR;
    }
    const char *name = argv[1];
    int status;
    running_command = NULL;
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        status = help_run(commands, argc - 2, argv + 2);
    } else if (!strcmp(name, "--version") || !strcmp(name, "-V") || !strcmp(name, "version")) {
        printf("tlr (tailrace) %s\n", TLR_VERSION);
        status = TLR__CLI_FOUND;
    } else if (name[0] == '-') {
        status = tlr__cli_error("%s: no such option (see tlr --help)", name);
    } else {
        const struct tlr__cli_command *command = command_by_name(commands, name);
        status = command ? command_run(command, argc - 2, argv + 2) : TLR__CLI_ERROR;
    }
    return output_check(status);
}
