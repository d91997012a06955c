# SPDX-License-Identifier: GPL-2.0-or-later
"""tools/packages.sh on the releases of Debian: what a set is on each of them, and the guests' kernel out of the packages in which it
comes there. The packages are real, if small; the machine is played (played.py)."""

import os
import subprocess

import pytest

from sandbox import UNSHARED, Sandbox

pytestmark = UNSHARED
META = "linux-image-cloud-amd64"


@pytest.fixture(name="sandbox")
def fixture_sandbox(tmp_path):
    return Sandbox(tmp_path)


@pytest.mark.parametrize("version, wanted, unwanted", [
    ("12", {"libclang-rt-14-dev"}, {"libclang-rt-dev", "libvirt-daemon-lock", "libvirt-daemon-plugin-lockd"}),
    ("13", {"libclang-rt-dev", "libvirt-daemon-lock", "libvirt-daemon-plugin-lockd"}, {"libclang-rt-14-dev"}),
    (None, {"libclang-rt-dev", "libvirt-daemon-lock", "libvirt-daemon-plugin-lockd"}, {"libclang-rt-14-dev"}),
])
def test_a_set_is_what_this_release_has(sandbox, version, wanted, unwanted):
    """Testing and sid have no number."""
    sandbox.release(version)
    code, said = sandbox.run("--list")
    listed = set(said.split())
    assert code == 0 and wanted <= listed and not unwanted & listed
    assert {"zstd", "clang-format", "clang-tidy", "corosync"} <= listed
    assert not [name for name in listed if set(name) & set("<>=")]


def package(sandbox, name, files):
    """A .deb of that name with these files; a name that ends with / is a directory."""
    tree = sandbox.path("tmp", f"tree-{name}")
    for file in ("DEBIAN/control", *files):
        os.makedirs(os.path.dirname(os.path.join(tree, file)), exist_ok=True)
        if not file.endswith("/"):
            with open(os.path.join(tree, file), "w", encoding="ascii") as out:
                out.write(f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: A B <a@b>\nDescription: x\n"
                          if file == "DEBIAN/control" else file)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, sandbox.path("run/played", f"{name}.deb")], check=True,
                   capture_output=True)
    subprocess.run(["rm", "-r", tree], check=True)


REL = "6.1.0-1-cloud-amd64"
LAYOUTS = {
    "12": {"image": [f"boot/vmlinuz-{REL}", f"lib/modules/{REL}/kernel/a.ko", f"lib/modules/{REL}/modules.builtin"]},
    "13": {"image": [f"boot/vmlinuz-{REL}", f"usr/lib/modules/{REL}/kernel/a.ko", f"usr/lib/modules/{REL}/modules.builtin"]},
    "sid": {"image": ["usr/share/doc/linux-image/copyright"], "binary": [f"usr/lib/modules/{REL}/vmlinuz"],
            "modules": [f"usr/lib/modules/{REL}/kernel/a.ko"], "base": [f"usr/lib/modules/{REL}/modules.builtin"]},
}


def publish(sandbox, parts):
    names = {part: f"linux-{part}-{REL}" for part in parts}
    for part, files in parts.items():
        package(sandbox, names[part], files)
    others = [names[part] for part in parts if part != "image"]
    sandbox.play(depends_of={META: [names["image"]], names["image"]: ["kmod", "linux-base", *others]})


def fetch(sandbox):
    os.makedirs(sandbox.path("tmp/guests"), exist_ok=True)
    return sandbox.run("kernel", "/tmp/guests")


@pytest.mark.parametrize("release", LAYOUTS)
def test_the_guests_kernel(sandbox, release):
    publish(sandbox, LAYOUTS[release])
    code, said = fetch(sandbox)
    assert code == 0, said
    guests = sandbox.path("tmp/guests")
    assert os.path.isfile(f"{guests}/boot/vmlinuz-{REL}")
    for name in ("kernel/a.ko", "modules.builtin"):
        assert os.path.isfile(f"{guests}/lib/modules/{REL}/{name}")
    assert sorted(os.listdir(guests)) == ["boot", "lib"] and sandbox.machine.installed == ["libvirt-daemon-system"]

    # It is there: nothing is fetched again.
    sandbox.play()
    assert fetch(sandbox) == (0, "")


def test_a_fetch_that_was_killed_does_not_stop_the_next(sandbox):
    publish(sandbox, LAYOUTS["13"])
    os.makedirs(sandbox.path("tmp/guests/.fetch.killed/root"))
    os.makedirs(sandbox.path("tmp/guests/lib/modules", REL, "kernel/half"))
    code, said = fetch(sandbox)
    assert code == 0, said
    assert os.listdir(sandbox.path("tmp/guests/lib/modules", REL, "kernel")) == ["a.ko"]
    assert sorted(os.listdir(sandbox.path("tmp/guests"))) == ["boot", "lib"]


@pytest.mark.parametrize("files", [[f"boot/vmlinuz-{REL}"], [f"usr/lib/modules/{REL}/kernel/a.ko"], [f"somewhere/vmlinuz-{REL}"]])
def test_a_layout_that_nobody_knows_is_said(sandbox, files):
    """Half of it is not taken for all, and nothing of it is left."""
    publish(sandbox, {"image": files})
    code, said = fetch(sandbox)
    assert code == 1
    assert f"packages.sh: could not unpack linux-image-{REL}, or it has no kernel and modules where they are looked for" in said
    assert os.listdir(sandbox.path("tmp/guests")) == []
