/* cli.c - the command line: every form of giving an option, and what is said of bad ones.
 */
#include "cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "cli_help.h"

static struct {
    int flag, other, choice, port;
    const char *string;
    uint64_t number, size, duration;
} given;

static const char *const words[] = {"short", "json", NULL};

static const struct tlr__cli_option options[] = {
    {.name = "flag", .letter = 'f', .type = TLR__CLI_FLAG, .store.flag = &given.flag, .help = "h"},
    {.name = "other",
     .letter = 'o',
     .type = TLR__CLI_FLAG,
     .store.flag = &given.other,
     .help = "h"},
    {.name = "number",
     .letter = 'n',
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &given.number,
     .min = 1,
     .max = 100,
     .word = "all",
     .help = "h"},
    {.name = "size",
     .type = TLR__CLI_SIZE,
     .argument = "SIZE",
     .store.number = &given.size,
     .help = "h"},
    {.name = "duration",
     .type = TLR__CLI_DURATION,
     .argument = "TIME",
     .store.number = &given.duration,
     .help = "h"},
    {.name = "choice",
     .letter = 'c',
     .type = TLR__CLI_CHOICE,
     .argument = "WORD",
     .store.choice = &given.choice,
     .choices = words,
     .help = "h"},
    {.name = "string",
     .letter = 's',
     .type = TLR__CLI_STRING,
     .argument = "TEXT",
     .store.string = &given.string,
     .help = "h"},
    {.name = "port",
     .type = TLR__CLI_PORT,
     .argument = "N",
     .store.port = &given.port,
     .word = "any",
     .help = "h"},
};

static int operands_seen;

static int run(int operand_count, char **operands) {
    operands_seen = operand_count;
    assert_null(operands[operand_count]);
    return TLR__CLI_NOTHING;
}

static const struct tlr__cli_command command = {
    .name = "try",
    .operands = "FILE...",
    .operand_min = 0,
    .operand_max = 3,
    .summary = "try it",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};

static const struct tlr__cli_command *const commands[] = {&command, NULL};

/* What the last call said on stderr. */
static char said[1024];

/* Runs the program with these words behind its name. */
static int call(const char *arguments) {
    static char copy[256]; /* strings stay where they were given */
    char program[] = "tlr", *argv[16] = {program};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", arguments);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    memset(&given, 0, sizeof(given));
    operands_seen = -1;
    FILE *capture = tmpfile();
    assert_non_null(capture);
    int before = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(capture), STDERR_FILENO);
    int status = tlr__cli_main(commands, argc, argv);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(capture);
    said[fread(said, 1, sizeof(said) - 1, capture)] = 0;
    fclose(capture);
    return status;
}

static void every_form_is_read(void **state) {
    (void)state;
    assert_int_equal(call("try -fo -n5 a --size=64K b --duration 250ms -cjson -s text"), 1);
    assert_int_equal(operands_seen, 2);
    assert_true(given.flag && given.other);
    assert_int_equal(given.number, 5);
    assert_int_equal(given.size, 65536);
    assert_int_equal(given.duration, 250000000);
    assert_int_equal(given.choice, 1);
    assert_string_equal(given.string, "text");

    assert_int_equal(call("try -n 7 --fl --port any -- -f --size"), 1);
    assert_int_equal(operands_seen, 2);
    assert_int_equal(given.number, 7);
    assert_int_equal(given.flag, 1);
    assert_int_equal(given.port, -1);

    assert_int_equal(call("try -fn all - --port=8080"), 1);
    assert_true(given.number == UINT64_MAX);
    assert_int_equal(operands_seen, 1);
    assert_int_equal(given.port, 8080);
}

static void what_is_bad_is_said(void **state) {
    static const struct {
        const char *arguments, *message;
    } cases[] = {
        {"try -n x", "tlr try: -n: \"x\" is not a number (expected 1 to 100, or \"all\")\n"},
        {"try --number=0",
         "tlr try: --number: \"0\" is out of range (expected 1 to 100, or \"all\")\n"},
        {"try --num 99999999999999999999",
         "tlr try: --number: \"99999999999999999999\" is out of range (expected 1 to 100, or "
         "\"all\")\n"},
        {"try -n -5", "tlr try: -n: \"-5\" is not a number (expected 1 to 100, or \"all\")\n"},
        {"try -c xml", "tlr try: -c: \"xml\" is not known (expected short or json)\n"},
        {"try --size 12x",
         "tlr try: --size: \"12x\" is not a size (expected a size such as 4096, 64K or 1M)\n"},
        {"try --duration soon", "tlr try: --duration: \"soon\" is not a duration (expected a "
                                "duration such as 500ms, 3s or 2m)\n"},
        {"try --port 70000",
         "tlr try: --port: \"70000\" is out of range (expected 1 to 65535, or \"any\")\n"},
        {"try --port 0",
         "tlr try: --port: \"0\" is out of range (expected 1 to 65535, or \"any\")\n"},
        {"try -x", "tlr try: -x: no such option (see tlr try --help)\n"},
        {"try --nothing", "tlr try: --nothing: no such option (see tlr try --help)\n"},
        {"try --s", "tlr try: --s: could be more than one option (see tlr try --help)\n"},
        {"try --flag=yes", "tlr try: --flag: takes no value\n"},
        {"try --string", "tlr try: --string: a value is missing (TEXT)\n"},
        {"try -fs", "tlr try: -s: a value is missing (TEXT)\n"},
        {"try a b c d", "tlr try: too many arguments (expected FILE...)\n"},
        {"tri", "tlr: \"tri\": no such command (see tlr --help)\n"},
        {"--what", "tlr: --what: no such option (see tlr --help)\n"},
        {"try -n \033[31m",
         "tlr try: -n: \"\\x1b[31m\" is not a number (expected 1 to 100, or \"all\")\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(call(cases[i].arguments), TLR__CLI_ERROR);
        assert_string_equal(said, cases[i].message);
        assert_int_equal(operands_seen, -1);
    }
}

static void values_have_their_grammar(void **state) {
    uint64_t value = 7;
    (void)state;
    assert_int_equal(tlr__cli_size_parse("1.5M", &value), 0);
    assert_int_equal(value, 1536 * 1024);
    assert_int_equal(tlr__cli_size_parse("2GiB", &value), 0);
    assert_true(value == UINT64_C(2) << 30);
    assert_int_equal(tlr__cli_size_parse("99999999T", &value), -ERANGE);
    assert_int_equal(tlr__cli_size_parse("1.5", &value), -EINVAL);
    assert_int_equal(tlr__cli_size_parse("", &value), -EINVAL);
    assert_true(value == UINT64_C(2) << 30);
    assert_int_equal(tlr__cli_duration_parse("3", &value), 0);
    assert_true(value == UINT64_C(3000000000));
    assert_int_equal(tlr__cli_duration_parse("0.25s", &value), 0);
    assert_int_equal(value, 250000000);
    assert_int_equal(tlr__cli_duration_parse("2m", &value), 0);
    assert_true(value == UINT64_C(120000000000));
    assert_int_equal(tlr__cli_duration_parse("3 s", &value), -EINVAL);
    assert_int_equal(tlr__cli_duration_parse("999999999999h", &value), -ERANGE);
}

static char *page(void (*print)(const struct tlr__cli_command *command, FILE *out)) {
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    print(&command, out);
    fclose(out);
    return text;
}

/* Help and man page are made from the table, so that none can be forgotten. */
static void pages_name_every_option(void **state) {
    char *help = page(tlr__cli_help_command), *man = page(tlr__cli_help_man);
    (void)state;
    for (size_t i = 0; i < command.option_count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "--%s", options[i].name);
        assert_non_null(strstr(help, name));
        snprintf(name, sizeof(name), "\\-\\-%s", options[i].name);
        assert_non_null(strstr(man, name));
    }
    assert_non_null(strstr(help, "a number alone is seconds"));
    assert_non_null(strstr(man, "a number alone is seconds"));
    free(help);
    free(man);
}

static void help_and_version_have_every_form(void **state) {
    static const char *const forms[] = {"help",         "--help",   "-h",      "help --help",
                                        "help version", "help try", "version", "--version",
                                        "-V",           "help -h"};
    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        assert_int_equal(call(forms[i]), TLR__CLI_FOUND);
        assert_string_equal(said, "");
        assert_int_equal(operands_seen, -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(what_is_bad_is_said),
        cmocka_unit_test(values_have_their_grammar),
        cmocka_unit_test(pages_name_every_option),
        cmocka_unit_test(help_and_version_have_every_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
