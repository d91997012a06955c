# SPDX-License-Identifier: GPL-2.0-or-later
"""copy, copy-undo and copy-finish of the agent `vm`: each way a copy of files can end, and what is on the disk afterwards."""

import fcntl
import os
import signal
import struct
import subprocess

import pytest

from copy_world import AGENT, LIMIT_S, MIB, assert_complete, assert_nothing_left, content, replace, shows, sources

# As FUSE and NFS before 4.2: the file system tells no holes.
BLIND = "lseek:*=blind"


# -- a copy that goes well --

@pytest.mark.parametrize("faults", ["", "copy_file_range:*=EXDEV", "copy_file_range:*=EINVAL", "copy_file_range:2=EOPNOTSUPP",
                                    "lseek:*=EINVAL", BLIND, f"{BLIND},pread:1=EINVAL,pwrite:1=EINVAL"])
def test_a_copy_has_the_same_bytes_and_holes(world, faults):
    source, target = world.disk()
    os.chmod(source, 0o640)
    if os.geteuid() == 0:
        os.chown(source, 12345, 54321)
    before = sources(world)
    shows(world.do("copy", faults), result="ok", state="off", code=0, reason="")
    assert_complete(world, before)
    old, new = os.stat(source), os.stat(target)
    assert (new.st_size, new.st_mode, new.st_uid, new.st_gid) == (old.st_size, old.st_mode, old.st_uid, old.st_gid)
    assert new.st_blocks * 512 < 7 * MIB < new.st_size, "the holes were filled"
    assert sources(world) == before


@pytest.mark.parametrize("size", [0, 1, 4096, 4 * MIB, 4 * MIB + 1])
def test_any_size_is_exact(world, size):
    world.disk(size=size, holes=False)
    world.disk("hole.img", size=size)
    os.truncate(world.files[1][0], 0)
    os.truncate(world.files[1][0], size)
    before = sources(world)
    shows(world.do("copy"), result="ok")
    assert_complete(world, before)


UNIT = 16 << 10


def pieces(path, size, *data):
    """A file with holes, and data at (start, length)."""
    with open(path, "wb") as file:
        for start, length in data:
            file.seek(start)
            file.write(b"\x5a" * length)
        file.truncate(size)


@pytest.mark.parametrize("size, data, written", [
    (3 * MIB, [], 0),
    (3 * MIB, [(0, 1)], 1),
    (3 * MIB, [(UNIT - 1, 1)], 1),
    (3 * MIB, [(UNIT - 1, 2)], 2),
    (3 * MIB, [(MIB - 1, 2)], 2),
    (3 * MIB, [(UNIT, UNIT)], 1),
    (3 * MIB, [(0, MIB), (2 * MIB, MIB)], 128),
    (3 * MIB + 1, [(3 * MIB, 1)], 1),
    (3 * MIB + 5000, [(MIB, 1), (3 * MIB + 4999, 1)], 2),
    (3 * MIB - 1, [(3 * MIB - 2, 1)], 1),
    (5000, [(4999, 1)], 1),
])
@pytest.mark.parametrize("dense", [False, True])
def test_zeros_are_not_written_where_no_holes_are_told(world, size, data, written, dense):
    """Not even those that the source has written out."""
    source, target = world.disk()
    pieces(source, size, *data)
    if dense:
        with open(f"{source}.dense", "wb") as file:
            file.write(content(source))
        os.rename(f"{source}.dense", source)
    before = sources(world)
    shows(world.do("copy", BLIND), result="ok")
    assert_complete(world, before)
    assert os.stat(target).st_blocks * 512 <= written * UNIT


def test_what_was_not_written_is_not_read_back(world):
    source, _ = world.disk()
    pieces(source, 3 * MIB, (0, MIB), (2 * MIB, MIB))
    before = sources(world)
    shows(world.do("copy", f"{BLIND},pread:@{2 * MIB}=EIO"), "cannot compare ", result="failed")
    shows(world.do("copy", f"{BLIND},pread:@{MIB}=EIO"), result="ok")
    assert_complete(world, before)


def test_several_files_and_the_whole_way(world):
    world.disk()
    world.disk("web_VARS.fd", size=300, holes=False)
    before = sources(world)
    shows(world.do("copy"), result="ok")
    shows(world.do("copy"), result="ok")
    assert_complete(world, before)
    shows(world.do("copy-undo"), result="ok", state="off", reason="")
    shows(world.do("copy-undo"), result="ok")
    assert world.names("csv2") == [] and sources(world) == before
    shows(world.do("copy"), result="ok")
    for _ in range(2):
        shows(world.do("copy-finish"), result="ok", state="off", reason="")
        assert world.names("csv1") == [] and world.names("csv2") == ["web.img", "web_VARS.fd"]
    # Too late for these; they must not harm what is the only copy now.
    shows(world.do("copy-undo"), result="ok")
    shows(world.do("copy"), "cannot read", result="failed")
    assert [content(target) for _, target in world.files] == before


def test_a_repeated_copy_takes_what_the_source_is_now(world):
    source, _ = world.disk()
    shows(world.do("copy"), result="ok")
    world.write(source, size=8 * MIB, seed=2)
    shows(world.do("copy"), result="ok")
    assert_complete(world, sources(world))


def test_progress_is_told_while_the_storage_is_slow(world):
    world.disk(size=9 * MIB, holes=False)
    copy = world.begin("copy", "copy_file_range:2=slow,fsync:1=slow")
    shows(copy.end(), result="ok")
    steps = [line["progress"] for line in copy.lines[:-1]]
    assert 3 <= len(steps) <= 6
    assert all(step["done_bytes"] + step["remaining_bytes"] == step["total_bytes"] == 18 * MIB for step in steps)
    assert [step["percent"] for step in steps][:2] == [22, 22] and 50 in [step["percent"] for step in steps]
    assert copy.lines[-1]["total_ms"] >= 500 * len(steps)


# -- a copy that fails --

@pytest.mark.parametrize("fault, words", [
    ("copy_file_range:2=ENOSPC", "No space left on device; 4 of its 6 MB were copied, "),
    ("copy_file_range:2=EIO", "cannot copy "),
    ("copy_file_range:2=EDQUOT", "Disk quota exceeded"),
    ("copy_file_range:*=EXDEV,pwrite:2=ENOSPC", "No space left"),
    ("ftruncate:2=EIO", "cannot copy "),
    ("fsync:1=EIO", "cannot flush "),
    ("pread:2=EIO", "cannot compare "),
    # A file system says so of data that fails its checksum, and a disk of a sector that it cannot read.
    ("pread:2=EBADMSG", "cannot compare "),
    ("pread:2=ENODATA", "cannot compare "),
    (f"{BLIND},pread:3=EBADMSG", "cannot copy "),
    (f"{BLIND},pread:3=ENODATA", "cannot copy "),
    ("pread:2=flip", "differs from "),
    (f"pread:@{6 * MIB}=flip", "at byte 6291456: the storage does not keep what is written"),
    (f"{BLIND},pread:@{6 * MIB}=flip", "at byte 6291456: the storage does not keep what is written"),
    (f"{BLIND},pwrite:@{4 * MIB}=ENOSPC", "No space left on device; "),
    (f"{BLIND},pread:3=EIO", "cannot copy "),
    ("link:1=EPERM", "cannot make a hard link to "),
    ("link:2=EIO", "its name: Input/output error"),
])
def test_a_failure_is_told_and_leaves_nothing(world, fault, words):
    source, target = world.disk()
    before = sources(world)
    final = shows(world.do("copy", fault), words, result="failed", state="off", code=1)
    assert target in final["reason"] or source in final["reason"]
    assert_nothing_left(world, before)
    shows(world.do("copy"), result="ok")
    assert_complete(world, before)


@pytest.mark.parametrize("faults", ["", "copy_file_range:*=EXDEV"])
def test_data_where_nothing_was_written_is_found(world, faults):
    _, target = world.disk()
    before = sources(world)
    copy = world.begin("copy", f"{faults},fsync:1=stop").wait_stop()
    with open(world.part(target), "r+b") as part:
        part.seek(8 * MIB + 77)
        part.write(b"x")
    copy.signal(signal.SIGCONT)
    shows(copy.end(), f"differs from {world.files[0][0]} at byte {8 * MIB + 77}: ", result="failed")
    assert_nothing_left(world, before)


def test_a_failure_of_the_second_file_takes_the_first_one_back(world):
    world.disk()
    world.disk("b.img")
    before = sources(world)
    shows(world.do("copy", "link:4=EIO"), result="failed")
    assert_nothing_left(world, before)
    shows(world.do("copy"), result="ok")
    shows(world.do("copy", "fsync:2=EIO"), result="failed")
    assert_nothing_left(world, before)


def test_a_missing_directory_is_named(world):
    world.disk()
    world.files = [(world.files[0][0], world.at("csv2", "none/web.img"))]
    shows(world.do("copy"), "none/web.img.clusterd-7.part: No such file or directory", result="failed")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_full_disk(world):
    world.disk(size=9 * MIB, holes=False)
    script = 'mount -t tmpfs -o size=4m none "$0" && "$1" copy; code=$?; ls -A "$0"; exit $code'
    lines = f"{world.files[0][0]}\t{world.files[0][1]}"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, world.volumes["csv2"], AGENT], text=True, check=False,
                          capture_output=True, timeout=LIMIT_S,
                          env={**os.environ, "OCF_RESKEY_name": "web", "OCF_RESKEY_move": "7", "OCF_RESKEY_files": lines})
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip("no mount namespace to be had here")
    assert done.returncode == 1 and "No space left on device; 4 of its 9 MB were copied, 0 MB are free there" in done.stdout
    assert len(done.stdout.splitlines()) == 1, "the part is still there"


def test_a_copy_changes_no_format(world):
    source, target = world.disk()
    before = sources(world)
    shows(world.do("copy", files=f"{source}\t{target}\tqcow2"), "is to become qcow2", result="failed", state="off")
    assert_nothing_left(world, before)


def tpm(world):
    """A disk, and the state of a TPM in a directory of its own, as swtpm leaves it."""
    world.disk()
    state = world.at("csv1", "tpm")
    os.mkdir(state, 0o700)
    world.write(os.path.join(state, ".lock"), size=0, holes=False)
    world.files.append((world.write(os.path.join(state, "tpm2-00.permall"), size=5000, holes=False, seed=3),
                        world.at("csv2", "tpm/tpm2-00.permall")))


def test_the_state_of_a_tpm_goes_along(world):
    tpm(world)
    before = sources(world)
    shows(world.do("copy", "link:3=EIO"), result="failed")
    assert_nothing_left(world, before)
    shows(world.do("copy"), result="ok")
    assert_complete(world, before)
    assert os.stat(world.at("csv2", "tpm")).st_mode & 0o7777 == 0o700
    shows(world.do("copy-undo"), result="ok")
    assert_nothing_left(world, before)
    shows(world.do("copy"), result="ok")
    # The VM starts before the end: its swtpm puts a new file in the place of the copy.
    replace(world.files[1][1])
    for _ in range(2):
        shows(world.do("copy-finish"), result="ok")
        assert world.names("csv1") == [] and world.names("csv2") == ["tpm", "web.img"]
        assert os.listdir(world.at("csv2", "tpm")) == ["tpm2-00.permall"] and content(world.files[1][1]) == before[1]


def test_a_directory_with_something_else_stays(world):
    tpm(world)
    world.write(world.at("csv1", "tpm/mine"), size=1, holes=False)
    shows(world.do("copy"), result="ok")
    shows(world.do("copy-finish"), result="ok")
    assert sorted(os.listdir(world.at("csv1", "tpm"))) == [".lock", "mine"]


# -- others --

def rewrite(path):
    """The same bytes again: only the times tell."""
    data = content(path)[:4096]
    with open(path, "r+b") as file:
        file.write(data)


def rewrite_and_hide(path):
    """As a tool that sets the time back."""
    status = os.stat(path)
    rewrite(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change, words", [
    (rewrite, "has changed while it was copied: somebody writes to it"),
    (rewrite_and_hide, "has changed while it was copied: somebody writes to it"),
    (replace, "has changed while it was copied: somebody writes to it"),
    (lambda path: os.truncate(path, 5 * MIB), "somebody writes to it"),
    (lambda path: os.truncate(path, 3 * MIB), "has become shorter: somebody writes to it"),
    (lambda path: os.truncate(path, 90 * MIB), "has changed while it was copied: somebody writes to it"),
    (os.unlink, "cannot look at "),
])
def test_a_source_that_changes(world, change, words):
    source, _ = world.disk(holes=False)
    copy = world.begin("copy", "copy_file_range:2=stop").wait_stop()
    change(source)
    copy.signal(signal.SIGCONT)
    assert source in shows(copy.end(), words, result="failed", state="off")["reason"]
    assert world.names("csv2") == []


@pytest.mark.parametrize("make", [
    lambda path: open(path, "w", encoding="ascii").write("mine"),  # pylint: disable=consider-using-with
    os.mkdir,
    lambda path: os.symlink("/nowhere", path),
    lambda path: os.mkfifo(path, 0o600),
])
def test_a_target_that_somebody_makes_in_between(world, make):
    world.disk("a.img")
    world.disk("b.img")
    before = sources(world)
    target = world.files[1][1]
    copy = world.begin("copy", "link:4=stop").wait_stop()
    assert os.path.exists(world.files[0][1]), "the first file has its name by now"
    make(target)
    made = os.lstat(target)
    copy.signal(signal.SIGCONT)
    assert target in shows(copy.end(), "somebody has made ", result="failed")["reason"]
    # Nor at the next attempt, nor by the end of the move.
    shows(world.do("copy"), "exists and is not of this move", result="failed")
    shows(world.do("copy-undo"), result="ok")
    assert world.names("csv2") == ["b.img"] and os.lstat(target).st_ino == made.st_ino
    assert sources(world) == before


def test_undo_leaves_a_target_that_was_replaced(world):
    _, target = world.disk()
    shows(world.do("copy"), result="ok")
    replace(target)
    inode = os.stat(target).st_ino
    shows(world.do("copy-undo"), result="ok")
    assert world.names("csv2") == ["web.img"] and os.stat(target).st_ino == inode


def test_undo_leaves_what_may_be_the_only_copy(world):
    source, target = world.disk()
    before = sources(world)
    shows(world.do("copy"), result="ok")
    os.unlink(source)
    shows(world.do("copy-undo"), "may be the only copy", result="failed")
    assert content(target) == before[0]


def test_undo_and_finish_know_their_own_move_only(world):
    world.disk()
    before = sources(world)
    shows(world.do("copy", move=7), result="ok")
    shows(world.do("copy-undo", move=8), result="ok")
    assert_complete(world, before)
    shows(world.do("copy", move=8), "exists and is not of this move", result="failed")
    assert_complete(world, before)


def test_an_earlier_copy_that_still_lives(world):
    world.disk()
    before = sources(world)
    first = world.begin("copy", "copy_file_range:2=stop").wait_stop()
    shows(world.do("copy"), "is in use", result="failed")
    shows(world.do("copy-undo"), "is in use", result="failed")
    first.signal(signal.SIGCONT)
    shows(first.end(), result="ok")
    assert_complete(world, before)


def test_a_vm_that_uses_the_target(world):
    """It should not; but a late repetition of the copy must not empty its disk."""
    _, target = world.disk()
    before = sources(world)
    shows(world.do("copy"), result="ok")
    with open(target, "r+b") as image:
        # As QEMU: an open-file-description lock for reading, of one byte.
        fcntl.fcntl(image.fileno(), 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 101, 1, 0))
        shows(world.do("copy"), "is in use", result="failed")
        shows(world.do("copy-undo"), "is in use", result="failed")
        assert_complete(world, before)


@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink("/nowhere", path), os.mkfifo])
def test_a_part_that_is_no_file(world, make):
    _, target = world.disk()
    make(world.part(target))
    shows(world.do("copy"), "taken by something that is no file", result="failed")
    shows(world.do("copy-undo"), "it is no file", result="failed")
    assert world.names("csv2") == ["web.img.clusterd-7.part"]


def test_a_source_that_is_no_file(world):
    source, target = world.disk()
    os.rename(source, f"{source}.real")
    os.symlink(f"{source}.real", source)
    shows(world.do("copy"), "cannot read", result="failed")
    os.unlink(source)
    os.mkfifo(source)
    shows(world.do("copy"), "no regular file", result="failed")
    assert world.names("csv2") == [] and target
