# SPDX-License-Identifier: GPL-2.0-or-later
"""copy, copy-undo and copy-finish of the agent `vm` that are cancelled, run out of time, or are killed at any call; and what
copy-finish looks at before it removes anything."""

import os
import signal
import time

import pytest

from copy_world import LIMIT_S, MIB, assert_complete, assert_nothing_left, content, replace, shows, sources


# -- cancelled, killed --

def test_sigterm_ends_it(world):
    world.disk()
    before = sources(world)
    copy = world.begin("copy", "copy_file_range:2=stop").wait_stop()
    copy.signal(signal.SIGTERM)
    copy.signal(signal.SIGCONT)
    shows(copy.end(), "its files are where they were", result="cancelled", state="off", code=1)
    assert_nothing_left(world, before)


def test_sigterm_ends_it_between_two_pieces(world):
    """A fourth piece would be its end."""
    world.disk(size=17 * MIB, holes=False)
    before = sources(world)
    copy = world.begin("copy", "copy_file_range:2=stop,copy_file_range:3=pause,copy_file_range:4=kill").wait_stop()
    copy.signal(signal.SIGTERM)
    copy.signal(signal.SIGCONT)
    shows(copy.end(), result="cancelled", state="off")
    shows(world.do("copy-undo"), result="ok")
    assert_nothing_left(world, before)


def test_sigterm_ends_it_even_if_the_storage_hangs(world):
    world.disk()
    before = sources(world)
    copy = world.begin("copy", "link:1=stop,fsync:1=hang").wait_stop()
    copy.signal(signal.SIGCONT)
    part = world.part(world.files[0][1])
    while os.stat(part).st_blocks * 512 < 6 * MIB:
        time.sleep(0.01)
    copy.signal(signal.SIGTERM)
    shows(copy.end(), "no answer from the storage", result="cancelled", state="off")  # end() does not wait for ever
    shows(world.do("copy-undo"), result="ok")
    assert_nothing_left(world, before)


def test_its_time_ends_it(world):
    world.disk(holes=False)
    before = sources(world)
    slow = "copy_file_range:1=slow,copy_file_range:2=slow"
    shows(world.do("copy", slow, timeout_ms=2600), "its time was over", result="failed", state="off")
    assert_nothing_left(world, before)
    # On a busy machine it may be over ("was") before the storage is asked at all.
    shows(world.do("copy", "fsync:1=hang", timeout_ms=1000), "its time ", result="failed", state="off")


def prepare(world, number):
    """The move of two files, in directories of its own."""
    for volume in ("csv1", "csv2"):
        world.volumes[volume] = os.path.join(world.path, volume, str(number))
        os.mkdir(world.volumes[volume])
    world.files = []
    world.disk("a.img", size=5 * MIB + 1, holes=False)
    world.disk("b.img", size=70000, holes=False)
    return sources(world)


@pytest.mark.parametrize("call", ["ftruncate", "copy_file_range", "fsync", "link", "unlink", "pread", "lseek:*=blind,pread",
                                  "lseek:*=blind,pwrite"])
@pytest.mark.parametrize("attempt", ["first", "second"])
def test_a_copy_that_is_killed_anywhere(world, call, attempt):
    """Afterwards it is repeated, or undone; each TO that is there in between is complete."""
    for number in range(1, 40):
        before = prepare(world, number)
        if attempt == "second":
            shows(world.do("copy"), result="ok")
        final = world.do("copy", f"{call}:{number}=kill")
        for (_, target), data in zip(world.files, before):
            assert not os.path.exists(target) or content(target) == data
            assert final or call in ("ftruncate", "fsync", "link", "unlink") or not os.path.exists(target), "not all are copied yet"
        assert sources(world) == before
        if final:
            shows(final, result="ok")
            break
        if number % 2:
            shows(world.do("copy"), result="ok")
            assert_complete(world, before)
        shows(world.do("copy-undo"), result="ok")
        assert_nothing_left(world, before)
    assert 2 < number < 39


@pytest.mark.parametrize("call", ["fsync", "unlink"])
def test_an_undo_that_is_killed_anywhere(world, call):
    for number in range(1, 40):
        before = prepare(world, number)
        shows(world.do("copy"), result="ok")
        final = world.do("copy-undo", f"{call}:{number}=kill")
        if final:
            shows(final, result="ok")
            break
        shows(world.do("copy-undo"), result="ok")
        assert_nothing_left(world, before)
    assert 2 < number < 39


@pytest.mark.parametrize("call", ["fsync", "unlink"])
def test_a_finish_that_is_killed_anywhere(world, call):
    for number in range(1, 40):
        before = prepare(world, number)
        shows(world.do("copy"), result="ok")
        final = world.do("copy-finish", f"{call}:{number}=kill")
        assert [content(target) for _, target in world.files] == before
        if final:
            shows(final, result="ok")
            break
        shows(world.do("copy-finish"), result="ok")
        assert world.names("csv1") == [] and world.names("csv2") == ["a.img", "b.img"]
        assert [content(target) for _, target in world.files] == before
    assert 2 < number < 39


# -- the end of a move --

def test_finish_removes_nothing_if_a_target_is_missing(world):
    world.disk("a.img")
    world.disk("b.img")
    before = sources(world)
    shows(world.do("copy"), result="ok")
    os.unlink(world.files[1][1])
    shows(world.do("copy-finish"), "nothing was removed", result="failed", state="off")
    assert sources(world) == before and len(world.names("csv2")) == 3
    os.mkdir(world.files[1][1])
    shows(world.do("copy-finish"), "no regular file; nothing was removed", result="failed")
    os.rmdir(world.files[1][1])
    os.symlink(world.files[1][0], world.files[1][1])
    shows(world.do("copy-finish"), "no regular file; nothing was removed", result="failed")
    assert sources(world) == before


def test_finish_removes_nothing_if_a_target_is_the_source(world):
    world.disk("a.img")
    world.disk("b.img")
    before = sources(world)
    os.link(*world.files[0])
    os.link(*world.files[1])
    shows(world.do("copy-finish"), "are the same file; nothing was removed", result="failed")
    assert sources(world) == before and world.names("csv2") == ["a.img", "b.img"]


def test_finish_removes_nothing_if_a_target_was_replaced(world):
    world.disk()
    before = sources(world)
    shows(world.do("copy"), result="ok")
    replace(world.files[0][1])
    shows(world.do("copy-finish"), "somebody has replaced", result="failed")
    assert sources(world) == before and len(world.names("csv2")) == 2


def test_finish_needs_no_part(world):
    """A repetition may find the part gone, and the source not: they are flushed one by one."""
    _, target = world.disk()
    shows(world.do("copy"), result="ok")
    os.unlink(world.part(target))
    shows(world.do("copy-finish"), result="ok")
    assert world.names("csv1") == [] and world.names("csv2") == ["web.img"]


@pytest.mark.parametrize("action", ["copy", "copy-undo", "copy-finish"])
def test_parameters(world, action):
    world.disk()
    shows(world.do(action, move=0), "parameter move is missing", result="failed", code=2)
    shows(world.do(action, move="7x"), "parameter move=7x is not a number", result="failed", code=2)
    shows(world.do(action, name=""), "parameter name is missing", result="failed", code=2)
    world.files = []
    shows(world.do(action), "parameter files is missing", result="failed", code=2)
    shows(world.do(action, files="x"), "line 1", result="failed", code=1)


@pytest.mark.parametrize("action", ["copy", "copy-undo", "copy-finish"])
def test_nothing_is_begun_for_a_clusterd_that_is_gone(world, action):
    world.disk()
    if action != "copy":
        shows(world.do("copy"), result="ok")
    before = [world.names("csv1"), world.names("csv2")]
    agent = world.begin(action, files="\n".join(f"{a}\t{b}" for a, b in world.files))
    agent.signal(signal.SIGSTOP)
    agent.process.stdout.close()
    agent.signal(signal.SIGCONT)
    agent.process.wait(LIMIT_S)
    assert agent.process.returncode == 1 and [world.names("csv1"), world.names("csv2")] == before
