# SPDX-License-Identifier: GPL-2.0-or-later
"""What clusterctl says when it is called wrongly, and when the daemon refuses."""

import json
import os
import re
import subprocess

import pytest

from harness import CLUSTERCTL, HERE, environment, error, ok

NOUNS = {
    "node": ["list", "show", "drain", "resume", "fence", "confirm-off"],
    "vm": ["list", "show", "add", "remove", "start", "stop", "move", "explain", "history", "import", "export"],
    "host": ["inspect"],
    "volume": ["list", "add", "show", "remove"],
    "fence-device": ["list", "add", "remove", "test"],
    "operation": ["list", "show", "cancel"],
    "event": ["list"],
    "config": ["list", "get", "set"],
}
VERBS = [("status",), ("plan",), ("export",), ("support-bundle",)] + [(noun, verb) for noun, verbs in NOUNS.items() for verb in verbs]


@pytest.mark.parametrize("words, message", [
    ([], "no command given"),
    (["stauts"], "there is no 'stauts'; did you mean 'status'?"),
    (["frobnicate"], "there is no 'frobnicate'"),
    (["node", "drian", "n1"], "there is no 'node drian'; did you mean 'node drain'?"),
    (["vm", "migr", "web1"], "there is no 'vm migr'"),
    (["vm"], "vm: the verb is missing"),
    (["vm", "show"], "vm show: the VM is missing"),
    (["volume", "add", "csv1"], "volume add: the PATH is missing"),
    (["vm", "list", "web1"], "vm list: unexpected argument 'web1'"),
    (["status", "--wathc"], "unknown option '--wathc'; did you mean '--watch'?"),
    (["vm", "list", "--force"], "option --force cannot be used here"),
    (["vm", "list", "-x"], "unknown option '-x'"),
    (["vm", "list", "--timeout"], "option --timeout needs a DURATION"),
    (["vm", "list", "--json=yes"], "option --json takes no value"),
    (["status", "--timeout", "soon"], "--timeout soon is not a duration; write it like 500ms, 30s, 5m or 2h"),
    (["vm", "move", "web1", "--best-node", "--max-downtime", "default"], "is not a time from 1ms to 60s"),
    (["vm", "move", "web1", "--best-node", "--if-not-converging", "pray"], "pray is neither abort nor suspend"),
    (["vm", "move", "web1", "--best-node", "--bandwidth", "1000001"], "is not a number from 0 to 1000000"),
    (["vm", "move", "web1"], "vm move web1: give either --best-node or --to NODE"),
    (["vm", "move", "web1", "--best-node", "--to", "n2"], "give either --best-node or --to NODE"),
    (["vm", "move", "web1", "--best-node", "--live", "--quick"], "--live and --quick exclude each other"),
    (["plan", "--lose", "n1", "--drain", "n2"], "plan: --lose and --drain exclude each other"),
    (["plan", "--admit", "two"], "plan: --admit two is not a number from 0 to 65536"),
    (["plan", "--seed", "-1"], "plan: --seed -1 is not a number from 0 to"),
    (["plan", "--seconds", "1m"], "plan: --seconds 1m is not a number of seconds from 0 to 86400, such as 0.5 or 60"),
    (["plan", "n1"], "plan: unexpected argument 'n1'"),
    (["export", "a", "b"], "export: unexpected argument 'b'"),
    (["operation", "show", "twelve"], "'twelve' is not the number of an operation"),
    (["event", "list", "--limit", "-1"], "--limit -1 is not a number from 1 to 100000"),
    (["volume", "add", "csv1", "srv/csv1"], "the path 'srv/csv1' is not absolute"),
    (["fence-device", "add", "ilo", "--param", "ip=1"], "--agent is missing"),
    (["fence-device", "add", "ilo", "--agent", "fence_x", "--param", "ip"], "not of the form KEY=VALUE"),
])
def test_a_wrong_command_line_exits_2_and_names_the_word(cluster, words, message):
    done = cluster.run(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "to do: see: clusterctl" in done.stderr
    assert done.stdout == ""


def test_usage_errors_are_json_too(cluster):
    done = cluster.run("vm", "show", "--json")
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert document["ok"] is False and document["exit"] == 2
    assert document["error"]["message"] == "vm show: the VM is missing"


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_each_verb_has_help_of_80_columns(cluster, words):
    by_option = cluster.run(*words, "--help")
    by_word = cluster.run("help", *words)
    assert by_option.returncode == by_word.returncode == 0
    assert by_option.stdout == by_word.stdout
    text = by_option.stdout
    assert text.startswith("Usage: clusterctl " + " ".join(words))
    for option in ("--help", "--json", "--timeout"):
        assert option in text
    assert text.split("\n\n")[0].endswith(" [OPTION]..."), "the usage is cut"
    assert all(len(line) <= 80 for line in text.splitlines())


def test_help_for_all_and_for_a_noun(cluster):
    done = cluster.run("--help")
    assert done.returncode == 0
    for noun, verbs in NOUNS.items():
        assert noun in done.stdout
        one = cluster.run(noun, "-h")
        assert one.returncode == 0
        for verb in verbs:
            assert re.search(rf"^  {verb}\b", one.stdout, re.M)
        assert all(len(line) <= 80 for line in one.stdout.splitlines())
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "0 done, 1 failed, 2 usage, 3 refused, 4 no quorum" in done.stdout


def test_the_man_page_has_every_verb_and_option(cluster):
    root = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
    with open(os.path.join(root, "cli", "man", "clusterctl.8"), encoding="utf-8") as file:
        page = file.read()
    for words in VERBS:
        title = " ".join(words)
        section = re.search(rf"^\.It (?:Xo\n\.)?Cm {title}\b.*?(?=^\.It (?:Xo|Cm)|^\.S[hs] )", page, re.M | re.S)
        assert section, f"clusterctl(8) lacks {title}"
        for option in re.findall(r"--([a-z-]+)", cluster.run(*words, "--help").stdout.split("Options:")[1]):
            if option not in ("help", "json", "timeout"):
                assert re.search(rf"-{option}\b", section.group(0)), f"clusterctl(8): {title} lacks --{option}"
    for code in ("0", "1", "2", "3", "4", "5", "130"):
        assert f".It {code}\n" in page.split(".Sh EXIT STATUS")[1]


def test_the_version(cluster):
    done = cluster.run("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"clusterctl \d+\.\d+\.\d+\n", done.stdout)


def test_options_may_stand_anywhere(cluster):
    cluster.serve(ok("vm.list", vms=[]))
    for words in (["--json", "vm", "list"], ["vm", "--json", "list"], ["vm", "list", "--json"], ["-j", "vm", "list", "-t5s"]):
        done = cluster.run(*words)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"ok": True, "vms": []}


# ---- what the daemon refuses


@pytest.mark.parametrize("code, exit_code", [
    ("failed", 1), ("usage", 2), ("refused", 3), ("not-found", 3), ("permission", 3), ("no-quorum", 4), ("timeout", 5),
    ("something-new", 1),
])
def test_error_codes_become_exit_codes(cluster, code, exit_code):
    cluster.serve(error("vm.start", code, "VM web1: that is how it is", "do this"))
    done = cluster.run("vm", "start", "web1")
    assert done.returncode == exit_code
    assert done.stderr == "clusterctl: VM web1: that is how it is\n  to do: do this\n"
    as_json = cluster.run("vm", "start", "web1", "--json")
    assert as_json.returncode == exit_code
    assert json.loads(as_json.stdout)["error"] == {"code": code, "message": "VM web1: that is how it is", "hint": "do this"}


def test_a_message_cannot_move_the_cursor(cluster):
    cluster.serve(error("vm.start", "refused", "evil\x1b[2Jname\nsecond line"))
    done = cluster.run("vm", "start", "web1")
    assert done.stderr == "clusterctl: evil?[2Jname second line\n"


def test_a_full_disk_is_an_error(cluster):
    cluster.serve(ok("vm.list", vms=[]))
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([CLUSTERCTL, "vm", "list"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20,
                              env=environment(cluster.run_dir), check=False)
    assert done.returncode == 1
    assert "cannot write to standard output" in done.stderr
