# SPDX-License-Identifier: GPL-2.0-or-later
"""sim --replay: what was recorded is told, and comes to the same digest; what is damaged or foreign is refused in one line."""

import base64
import json
import os
import subprocess
import zlib

import pytest

CLUSTERD, SIM, RECORD = (os.environ[name] for name in ("CLUSTERD", "SIM", "RECORD_DATABASE"))
LIMIT_S = 20


def replay(path):
    return subprocess.run([SIM, "--replay", str(path)], capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.fixture(name="tape", params=["log", "snapshot", "tail"])
def fixture_tape(request, tmp_path):
    """The lines of an export, and the digest of what was recorded."""
    words = [RECORD, str(tmp_path / "state"), request.param]
    digest = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout.strip()
    done = subprocess.run([CLUSTERD, "--export", "--state-dir", str(tmp_path / "state")], capture_output=True, text=True,
                          timeout=LIMIT_S, check=True)
    return done.stdout.splitlines(), digest


@pytest.fixture(name="refused")
def fixture_refused(tmp_path):
    """Writes the lines to a file that is then refused with these words."""
    def check(lines, *words, good=0):
        path = tmp_path / "damaged.jsonl"
        path.write_bytes(lines if isinstance(lines, bytes) else "".join(line + "\n" for line in lines).encode())
        done = replay(path)
        assert done.returncode == 1
        assert done.stderr.startswith(f"sim: {path}: ") and done.stderr.count("\n") == 1
        for word in words:
            assert word in done.stderr
        assert done.stdout.count("as it was on the node") == good
    return check


def changed(line, **members):
    return json.dumps({**json.loads(line), **members})


def test_a_story_that_comes_to_the_same_digest(tape, tmp_path):
    lines, digest = tape
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = replay(path)
    assert (done.returncode, done.stderr) == (0, "")
    story = done.stdout.splitlines()
    assert all(len(line) <= 100 for line in story)
    assert f"at index 14 the digest is {digest}, as it was on the node" in story[-2:]
    tail = json.loads(lines[-1])["tail_digest"]
    if tail != digest:
        assert story[-1] == f"at index 15 the digest is {tail}, as it was on the node"
        at = story.index("not known there to be committed:")
        assert story[at - 1] == "" and "asked: CONFIG_SET self_fence_ms = 9999" in story[at + 1]
    views = [line for line in story if line.startswith("view of epoch")]
    assert views[-1].startswith("view of epoch 2: n1 n3; n1 decides") and views[-1].endswith("2023-11-14 22:13:22 UTC")
    assert "22:13:23.123      13  n1 fences n2 by ilo" in story
    assert "22:13:23.373      14  n2 is known to be off (fence agent): off" in story


def test_all_of_the_log(tape, tmp_path):
    lines, _ = tape
    if json.loads(lines[0])["snapshot"]:
        pytest.skip("told by the one without a snapshot")
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    story = replay(path).stdout
    for text in ("order: start web on n2: best place", "n2 reports of order 10: done, web runs there", "web runs on n2",
                 "asked: CONFIG_SET self_fence_ms = 12345", "asked: DEVICE_ADD ilo", "refused"):
        assert text in story


def test_through_a_bundle(tape, tmp_path):
    lines, digest = tape
    inside = tmp_path / "clusterd-support-n1"
    inside.mkdir()
    (inside / "database.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (inside / "status.json").write_text("{}", encoding="utf-8")
    path = tmp_path / "n1:bundle.tar.gz"  # tar would take "n1:" for a machine
    subprocess.run(["tar", "--force-local", "-C", str(tmp_path), "-czf", str(path), inside.name], check=True)
    done = replay(path)
    assert (done.returncode, done.stderr) == (0, "")
    assert digest in done.stdout
    whole = path.read_bytes()
    for size in (len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:size])
        done = replay(path)
        assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_a_bundle_without_a_database(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "missing.txt").write_text("database.jsonl: there is no clusterd\n", encoding="utf-8")
    path = tmp_path / "x.tar.gz"
    subprocess.run(["tar", "-C", str(tmp_path), "-czf", str(path), "x"], check=True)
    done = replay(path)
    assert done.returncode == 1
    assert done.stderr == f"sim: {path}: no support bundle, or one without a database: see its missing.txt\n"


@pytest.mark.parametrize("content, words", [
    (b"", "empty"), (b"\0\1\2\3", "neither"), (b"[1]\n", "neither"), (b'{"format":"other"}\n', "neither"),
    (b"\x1f\x8b\x08\0\0\0\0\0", "no support bundle"), (b"SQLite format 3\0", "neither"), (b"hello\n", "neither"),
])
def test_foreign_files(refused, content, words):
    refused(content, words)


def test_no_file(tmp_path):
    done = replay(tmp_path / "nowhere")
    assert done.returncode == 1 and done.stderr.endswith("nowhere: No such file or directory\n")


def test_another_digest(tape, refused):
    """As if the core decided otherwise than the one that was recorded."""
    lines, digest = tape
    refused(lines[:-1] + [changed(lines[-1], digest="0123456789abcdef")], f"the digest is {digest} here, and was 0123456789abcdef")
    if json.loads(lines[-1])["tail_digest"] != digest:
        refused(lines[:-1] + [changed(lines[-1], tail_digest="x")], "at index 15 the digest is", "and was x on the node", good=1)


def test_another_entry(tape, refused):
    """One that can be read, and says something else: only the digest shows it."""
    lines, _ = tape
    at = next(i for i, line in enumerate(lines) if '"FENCE_RESULT"' in line)
    data = base64.b64decode(json.loads(lines[at])["bytes"])
    assert data.count(b"off") == 1
    data = data.replace(b"off", b"OFF")
    lines[at] = changed(lines[at], bytes=base64.b64encode(data).decode(), crc=crc32c(data))
    refused(lines, "the digest is")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_another_checksum(tape, refused):
    lines, _ = tape
    assert zlib.crc32(b"") == crc32c(b"")
    refused([*lines[:-2], changed(lines[-2], crc=1), lines[-1]], "another checksum", f"line {len(lines) - 1}")


def test_what_is_missing(tape, refused):
    lines, _ = tape
    refused(lines[:-1], f"it ends after line {len(lines) - 1}")
    refused([*lines[:-2], lines[-1]], "entries are missing")
    refused([lines[0], *lines[2:]], "line 2", "not the one that must follow")
    refused([lines[0]], "it ends after line 1")
    refused(["\n".join(lines)[:-40]], "no JSON")


def test_what_cannot_be(tape, refused):
    lines, _ = tape
    refused([changed(lines[0], version=2), *lines[1:]], "version 2 of the format")
    refused([lines[0], lines[1][:50], *lines[2:]], "no JSON")
    refused([lines[0], changed(lines[1], bytes="%%%%"), *lines[2:]], "cannot be read")
    garbage = b"garbage"
    refused([lines[0], changed(lines[1], bytes=base64.b64encode(garbage).decode(), crc=crc32c(garbage)), *lines[2:]],
            "line 2", "cannot be applied")
    refused([changed(lines[0], snapshot={"index": 3, "epoch": 1, "chain": "0", "bytes": base64.b64encode(garbage).decode(),
                                         "crc": crc32c(garbage)}), *lines[1:]], "the snapshot cannot be read")
