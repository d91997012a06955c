# SPDX-License-Identifier: GPL-2.0-or-later
"""What clusterctl says when it is called wrongly, and when there is no daemon to talk to."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

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


# ---- no daemon, or none that talks to us


def test_no_daemon_exits_4_and_says_how_to_start_it(cluster):
    done = cluster.run("status")
    assert done.returncode == 4
    assert done.stderr.splitlines()[0] == "clusterctl: clusterd is not running on this node"
    assert "systemctl start clusterd" in done.stderr


def test_no_daemon_in_json(cluster):
    done = cluster.run("vm", "list", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "not-reached"


def test_permission_denied_is_not_the_same_as_no_daemon(cluster):
    cluster.serve(deny=True)
    done = cluster.run("status")
    assert done.returncode == 4
    assert "permission denied" in done.stderr
    assert "admin_group" in done.stderr


def test_a_daemon_that_hangs_is_told_from_one_that_is_gone(cluster):
    daemon = cluster.serve(ok("vm.list", vms=[]))
    daemon.process.send_signal(signal.SIGSTOP)
    done = cluster.run("status", "--timeout", "300ms")
    assert done.returncode == 4
    assert "clusterd is running on this node but does not answer" in done.stderr


def test_an_answer_that_does_not_come_exits_5(cluster):
    cluster.serve({"verb": "vm.list"})
    done = cluster.run("vm", "list", "--timeout", "300ms")
    assert done.returncode == 5
    assert "vm.list: no answer from clusterd within 300 ms" in done.stderr


def test_a_daemon_that_dies_instead_of_answering(cluster):
    cluster.serve({"verb": "vm.list", "then": [{"exit": True}]})
    done = cluster.run("vm", "list")
    assert done.returncode == 4
    assert "the connection to clusterd was lost before its answer" in done.stderr


def test_an_answer_that_is_no_json(cluster):
    cluster.serve({"verb": "vm.list", "raw": "{nonsense"})
    done = cluster.run("vm", "list")
    assert done.returncode == 1
    assert "clusterd's answer cannot be read" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_who_is_not_root_is_not_believed_to_be_clusterd(cluster):
    """A user who binds clusterd's name first would be told the passwords of fence devices."""
    directory = tempfile.mkdtemp(dir="/tmp")
    try:
        os.chown(directory, 65534, 65534)
        fake = shutil.copy(os.environ["FAKE_CLUSTERD"], directory)
        script = os.path.join(directory, "script.json")
        with open(script, "w", encoding="utf-8") as file:
            json.dump({"rules": [ok("vm.list", vms=[])]}, file)
        with subprocess.Popen([fake, cluster.service, script], stdout=subprocess.PIPE, text=True, user=65534, group=65534,
                              extra_groups=[]) as process:
            assert process.stdout.readline() == "ready\n"
            done = cluster.run("vm", "list")
            process.terminate()
        assert done.returncode == 4
        assert "runs neither as root nor as this user: it is not clusterd, and nothing was sent to it" in done.stderr
        with open(script + ".requests", encoding="utf-8") as file:
            assert file.read() == ""
    finally:
        shutil.rmtree(directory)


# ---- what the daemon refuses


@pytest.mark.parametrize("code, exit_code", [
    ("failed", 1), ("usage", 2), ("refused", 3), ("not-found", 3), ("permission", 3), ("no-quorum", 4), ("timeout", 5),
    ("something new", 1),
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
                              env=environment(cluster.service), check=False)
    assert done.returncode == 1
    assert "cannot write to standard output" in done.stderr
