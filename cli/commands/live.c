/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Live moves. See commands/live.h. */
#include "commands/live.h"
#include "output/print.h"
#include "output/text.h"
#include "wire/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int live_downtime(struct cli *cli, const char *command, bool may_be_default, json_t *arguments) {
    const char *value = options_value(&cli->options, OPTION_MAX_DOWNTIME);
    int64_t ms = 0;
    if (value == NULL) {
        return CLI_DONE;
    }
    bool is_default = may_be_default && strcmp(value, "default") == 0;
    if (!is_default &&
        (text_parse_duration(value, &ms) < 0 || ms > (int64_t)WIRE_MAX_DOWNTIME_MS)) {
        return cli_fail_usage(cli, command,
                              "--max-downtime %s is not a time from 1ms to %us%s; write it like "
                              "300ms or 2s",
                              value, WIRE_MAX_DOWNTIME_MS / 1000,
                              may_be_default ? ", nor default" : "");
    }
    json_object_set_new(arguments, "max_downtime_ms", json_integer(ms));
    return CLI_DONE;
}

static int set_convergence(struct cli *cli, const char *command, json_t *arguments) {
    const char *value = options_value(&cli->options, OPTION_IF_NOT_CONVERGING);
    if (value == NULL) {
        return CLI_DONE;
    }
    if (strcmp(value, "abort") != 0 && strcmp(value, "suspend") != 0) {
        return cli_fail_usage(cli, command, "--if-not-converging %s is neither abort nor suspend",
                              value);
    }
    json_object_set_new(arguments, "if_not_converging", json_string(value));
    return CLI_DONE;
}

int live_options(struct cli *cli, const char *command, json_t *arguments) {
    int code = live_downtime(cli, command, false, arguments);
    if (code == CLI_DONE) {
        code =
            cli_number(cli, command, OPTION_BANDWIDTH, WIRE_MAX_MBPS, arguments, "bandwidth_mbps");
    }
    return code == CLI_DONE ? set_convergence(cli, command, arguments) : code;
}

char *live_figures(const json_t *vm) {
    char prepared[TEXT_MAX];
    char memory[TEXT_MAX];
    char sent[TEXT_MAX];
    char blackout[TEXT_MAX];
    char slowed[64] = "";
    char *line = NULL;
    int64_t passes = json_number(vm, "passes");
    int64_t percent = json_number(vm, "throttled_percent");
    if (passes == 0) {
        return NULL;
    }
    if (percent > 0) {
        snprintf(slowed, sizeof(slowed), ", guest slowed down by %" PRId64 " %%", percent);
    }
    if (asprintf(&line, "prepared in %s, memory in %s (%s in %" PRId64 " pass%s%s), blackout %s",
                 text_duration(json_number(vm, "prepare_ms"), prepared),
                 text_duration(json_number(vm, "memory_ms"), memory),
                 text_megabytes(json_number(vm, "sent_bytes") / 1048576, sent), passes,
                 passes == 1 ? "" : "es", slowed,
                 text_duration(json_number(vm, "blackout_ms"), blackout)) < 0) {
        return NULL;
    }
    return line;
}

int live_predict(struct cli *cli, const char *vm, const json_t *arguments,
                 json_t **ret_prediction) {
    static const char *const choices[] = {"max_downtime_ms", "bandwidth_mbps", "if_not_converging"};
    json_auto *answer = NULL;
    json_t *asked = json_pack("{s:s}", "vm", vm);
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        if (json_has(arguments, choices[i])) {
            json_object_set(asked, choices[i], json_object_get(arguments, choices[i]));
        }
    }
    int code = cli_request(cli, "vm.predict", asked, &answer);
    if (code == CLI_DONE) {
        *ret_prediction = json_incref(json_object_get(answer, "prediction"));
    }
    return code;
}

void live_show_prediction(const struct screen *screen, const json_t *prediction,
                          const json_t *arguments) {
    char total[TEXT_MAX];
    char blackout[TEXT_MAX];
    char memory[TEXT_MAX];
    char dirty[TEXT_MAX];
    char rate[TEXT_MAX];
    bool converges = json_number(prediction, "converges") != 0;
    text_duration(json_number(prediction, "predicted_ms"), total);
    text_duration(json_number(prediction, "predicted_blackout_ms"), blackout);
    fputs(screen_begin(screen, converges ? STYLE_GOOD : STYLE_BAD), screen->file);
    if (converges) {
        print_text(screen->file, "a live move would take about %s, with a blackout of about %s",
                   total, blackout);
    } else if (strcmp(json_text(arguments, "if_not_converging"), "suspend") == 0) {
        print_text(screen->file,
                   "a live move would not converge: the guest would be suspended for about %s, "
                   "after %s",
                   blackout, total);
    } else {
        print_text(screen->file,
                   "a live move would not converge: it would be aborted after about %s", total);
    }
    fputs(screen_end(screen), screen->file);
    print_text(screen->file, ": %s to send at %s, and the guest dirties %s",
               text_megabytes(json_number(prediction, "memory_bytes") / 1048576, memory),
               text_rate(json_number(prediction, "assumed_bps"), rate),
               text_rate(json_number(prediction, "measured_bps"), dirty));
    if (json_number(prediction, "predicted_throttle") > 0) {
        print_text(screen->file, "; it would be slowed down by %" PRId64 " %%",
                   json_number(prediction, "predicted_throttle"));
    }
    fputc('\n', screen->file);
}
