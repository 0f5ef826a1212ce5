/* cli_help.c - help, man pages and bash completion, all from the commands' own tables.
 */
#include "cli_help.h"

#include <string.h>

enum { HELP_COLUMN = 28 };

static const char statuses[] =
    "Exit status: 0 found or done, 1 nothing found, 2 error, 3 done in part.";

static const char duration_form[] =
    "Durations: 10us, 500ms, 3s, 2m, 1h; a number alone is seconds.";

static int takes_duration(const struct tlr__cli_command *command) {
    for (unsigned i = 0; i < command->option_count; i++)
        if (command->options[i].type == TLR__CLI_DURATION) return 1;
    return 0;
}

/* ---- terminal ------------------------------------------------------------------------------ */

/* "  -n, --lines=N" */
static int option_head(const struct tlr__cli_option *option, char *out, size_t size) {
    int used = option->letter ? snprintf(out, size, "  -%c, --%s", option->letter, option->name)
                              : snprintf(out, size, "      --%s", option->name);
    if (option->type != TLR__CLI_FLAG && used < (int)size)
        used += snprintf(out + used, size - (size_t)used, "=%s", option->argument);
    return used;
}

/* Prints text whose further lines are indented to the help column. */
static void indented_print(const char *text, FILE *out) {
    for (; *text; text++) {
        fputc(*text, out);
        if (*text == '\n') fprintf(out, "%*s", HELP_COLUMN, "");
    }
}

static void option_print(const struct tlr__cli_option *option, FILE *out) {
    char head[128];
    int used = option_head(option, head, sizeof(head));
    if (used + 2 > HELP_COLUMN)
        fprintf(out, "%s\n%*s", head, HELP_COLUMN, "");
    else
        fprintf(out, "%-*s", HELP_COLUMN, head);
    indented_print(option->help, out);
    if (option->type == TLR__CLI_CHOICE) {
        fprintf(out, "\n%*s", HELP_COLUMN, "");
        for (int i = 0; option->choices[i]; i++)
            fprintf(out, "%s%s", i ? ", " : "one of: ", option->choices[i]);
    }
    if (option->default_text) fprintf(out, " (default %s)", option->default_text);
    fputc('\n', out);
}

static void lines_print(const char *text, const char *before, FILE *out) {
    while (*text) {
        size_t size = strcspn(text, "\n");
        fprintf(out, "%s%.*s\n", size ? before : "", (int)size, text);
        text += size + (text[size] == '\n');
    }
}

void tlr__cli_help_command(const struct tlr__cli_command *command, FILE *out) {
    static const struct tlr__cli_option help = {
        .name = "help", .letter = 'h', .type = TLR__CLI_FLAG, .help = "show this help"};
    fprintf(out, "Usage: tlr %s%s%s%s\n", command->name,
            command->option_count ? " [OPTION...]" : "", command->operands ? " " : "",
            command->operands ? command->operands : "");
    fprintf(out, "tlr %s: %s\n", command->name, command->summary);
    if (command->description) {
        fputc('\n', out);
        lines_print(command->description, "", out);
    }
    fputs("\nOptions:\n", out);
    for (unsigned i = 0; i < command->option_count; i++) option_print(&command->options[i], out);
    option_print(&help, out);
    if (takes_duration(command)) fprintf(out, "\n%s\n", duration_form);
    if (command->examples) {
        fputs("\nExamples:\n", out);
        lines_print(command->examples, "  ", out);
    }
    fprintf(out, "\n%s\n", statuses);
}

void tlr__cli_help_overview(const struct tlr__cli_command *const *commands, FILE *out) {
    fputs("Usage: tlr COMMAND [OPTION...] [ARGUMENT...]\n"
          "Tells which call waited for the log, where, why, for how long, and who was hurt.\n\n"
          "Commands:\n",
          out);
    for (; *commands; commands++)
        fprintf(out, "  %-10s%s\n", (*commands)->name, (*commands)->summary);
    fprintf(out,
            "\n  %-10s%s\n  %-10s%s\n  %-10s%s\n  %-10s%s\n\n"
            "tlr COMMAND --help tells a command's options.\n%s\n",
            "help", "this help, or a command's: help [COMMAND]", "",
            "its man page: help --man [COMMAND] | man -l -", "",
            "completion: source <(tlr help --completion bash)", "version", "this program's version",
            statuses);
}

/* ---- man ----------------------------------------------------------------------------------- */

/* Text for troff: a backslash, a leading full stop or apostrophe, and hyphens would be read. */
static void man_text(const char *text, FILE *out) {
    for (int at_start = 1; *text; at_start = *text++ == '\n') {
        if (at_start && (*text == '.' || *text == '\'')) fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

static void man_heading(const char *name, const char *summary, FILE *out) {
    fprintf(out, ".TH \"%s\" 1 \"\" \"tailrace %s\" \"tailrace\"\n.SH NAME\n", name, TLR_VERSION);
    man_text(name, out);
    fputs(" \\- ", out);
    man_text(summary, out);
    fputs("\n.SH SYNOPSIS\n", out);
}

static void man_option(const struct tlr__cli_option *option, FILE *out) {
    char head[128];
    option_head(option, head, sizeof(head));
    fputs(".TP\n.B ", out);
    man_text(head + strspn(head, " "), out);
    fputc('\n', out);
    man_text(option->help, out);
    if (option->type == TLR__CLI_CHOICE) {
        fputs("; one of ", out);
        for (int i = 0; option->choices[i]; i++) {
            if (i) fputs(", ", out);
            man_text(option->choices[i], out);
        }
    }
    if (option->default_text) {
        fputs(" (default ", out);
        man_text(option->default_text, out);
        fputc(')', out);
    }
    fputc('\n', out);
}

void tlr__cli_help_man(const struct tlr__cli_command *command, FILE *out) {
    char name[64];
    snprintf(name, sizeof(name), "tlr-%s", command->name);
    man_heading(name, command->summary, out);
    fprintf(out, ".B tlr %s\n", command->name);
    if (command->option_count) fputs("[OPTION...]\n", out);
    if (command->operands) {
        man_text(command->operands, out);
        fputc('\n', out);
    }
    if (command->description) {
        fputs(".SH DESCRIPTION\n.nf\n", out);
        man_text(command->description, out);
        fputs("\n.fi\n", out);
    }
    fputs(".SH OPTIONS\n", out);
    for (unsigned i = 0; i < command->option_count; i++) man_option(&command->options[i], out);
    if (takes_duration(command)) fprintf(out, ".PP\n%s\n", duration_form);
    if (command->examples) {
        fputs(".SH EXAMPLES\n.nf\n", out);
        man_text(command->examples, out);
        fputs("\n.fi\n", out);
    }
    fprintf(out, ".SH EXIT STATUS\n%s\n", statuses + strlen("Exit status: "));
}

void tlr__cli_help_man_overview(const struct tlr__cli_command *const *commands, FILE *out) {
    man_heading("tlr", "tells which call waited for the log, and who was hurt", out);
    fputs(".B tlr\nCOMMAND [OPTION...] [ARGUMENT...]\n.SH COMMANDS\n", out);
    for (; *commands; commands++) {
        fprintf(out, ".TP\n.BR tlr\\-%s (1)\n", (*commands)->name);
        man_text((*commands)->summary, out);
        fputc('\n', out);
    }
    fprintf(out, ".SH EXIT STATUS\n%s\n", statuses + strlen("Exit status: "));
}

/* ---- completion ---------------------------------------------------------------------------- */

static void completion_choices(const struct tlr__cli_command *command, FILE *out) {
    for (unsigned i = 0; i < command->option_count; i++) {
        const struct tlr__cli_option *option = &command->options[i];
        if (option->type != TLR__CLI_CHOICE) continue;
        fprintf(out, "        %s,--%s", command->name, option->name);
        if (option->letter) fprintf(out, "|%s,-%c", command->name, option->letter);
        fputs(") words=\"", out);
        for (int c = 0; option->choices[c]; c++)
            fprintf(out, "%s%s", c ? " " : "", option->choices[c]);
        fputs("\" ;;\n", out);
    }
}

void tlr__cli_help_completion(const struct tlr__cli_command *const *commands, FILE *out) {
    fputs("# bash completion of tlr\n"
          "_tlr() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
          "    [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    [[ $word == = ]] && { before=${COMP_WORDS[COMP_CWORD-1]}; word=; }\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        COMPREPLY=($(compgen -W \"",
          out);
    for (unsigned i = 0; commands[i]; i++) fprintf(out, "%s ", commands[i]->name);
    fputs("help version --help --version\" -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    case ${COMP_WORDS[1]},$before in\n",
          out);
    for (unsigned i = 0; commands[i]; i++) completion_choices(commands[i], out);
    fputs("    esac\n"
          "    [[ -z $words && $word == -* ]] && case ${COMP_WORDS[1]} in\n",
          out);
    for (unsigned i = 0; commands[i]; i++) {
        fprintf(out, "        %s) words=\"", commands[i]->name);
        for (unsigned o = 0; o < commands[i]->option_count; o++)
            fprintf(out, "--%s ", commands[i]->options[o].name);
        fputs("--help\" ;;\n", out);
    }
    fputs("    esac\n"
          "    [[ -n $words ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "}\n"
          "complete -o default -F _tlr tlr\n",
          out);
}
