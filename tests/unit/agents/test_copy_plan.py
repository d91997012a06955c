# SPDX-License-Identifier: GPL-2.0-or-later
"""copy-plan of the agent `vm`: what it says of files, and each reason to refuse a move before anything is changed."""

import os
import struct
import subprocess

import pytest

from copy_world import AGENT, LIMIT_S, MIB, Agent, World, shows

DOMAIN = """<domain type="kvm">
  <name>web</name>
  <os>{nvram}</os>
  <devices>{disks}
  </devices>
</domain>
"""


class Plan(World):
    """A VM with the disk vda in csv1, and more if a test says so."""

    def __init__(self, path):
        super().__init__(path)
        self.nvram = ""
        self.disks = ""
        self.qcow2 = []
        self.add("vda", self.write(self.at("csv1", "web.img")))

    def add(self, target, path, kind="raw"):
        self.disks += (f'\n    <disk type="file" device="disk">\n      <driver type="{kind}"/>\n      <source file="{path}"/>\n'
                       f'      <target dev="{target}"/>\n    </disk>')

    def image(self, name, backing="", flags=0, kind="qcow2", volume="csv1", snapshots=0):
        """A qcow2 image as far as its header goes."""
        path = self.at(volume, name)
        header = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 104 if backing else 0, len(backing), 16, MIB, 0, 1, 0x30000,
                             0x10000, 1, snapshots, 0, flags, 0, 0, 4, 104)
        with open(path, "wb") as file:
            file.write(header + backing.encode())
            file.truncate(200000)
        self.add("vdb", path, kind)
        return path

    def text(self):
        return DOMAIN.format(nvram=self.nvram, disks=self.disks)

    def ask(self, dest="", disks="", text=None, **params):
        volumes = ":".join(f"{name}={path}" for name, path in self.volumes.items())
        return Agent("copy-plan", stdin=text or self.text(), **{"volumes": volumes, "dest": dest, "disks": disks, **params})

    def plan(self, **params):
        agent = self.ask(**params)
        shows(agent.end(), result="ok", state="unknown", element="", reason="", code=0)
        assert len(agent.lines) == 2
        return agent.lines[0]

    def refuse(self, words, element="/domain/devices/disk[1]/source", code=6, **params):
        before = [self.names("csv1"), self.names("csv2")]
        agent = self.ask(**params)
        final = shows(agent.end(), words, result="failed", state="unknown", element=element, code=code)
        assert len(agent.lines) == 1 and [self.names("csv1"), self.names("csv2")] == before
        return final["reason"]


@pytest.fixture(name="world")
def fixture_world(tmp_path):
    return Plan(tmp_path)


def test_a_plan(world):
    world.image("b.qcow2")
    variables = world.write(world.at("csv1", "web_VARS.fd"), size=300, holes=False)
    world.nvram = f"<nvram>{variables}</nvram>"
    source, target = world.at("csv1", "web.img"), world.at("csv2", "web.img")
    plan = world.plan(dest=world.volumes["csv2"])
    status = os.stat(source)
    assert plan["files"][0] == {"disk": "vda", "from": source, "to": target, "format": "raw", "bytes": status.st_size,
                                "allocated": status.st_blocks * 512}
    assert [(file["disk"], file["format"], file["bytes"]) for file in plan["files"][1:]] == [("vdb", "qcow2", 200000),
                                                                                            ("nvram", "raw", 300)]
    assert plan["definition"] == world.text().replace("/csv1/", "/csv2/")
    own = world.at("csv2", "other.qcow2")
    plan = world.plan(disks=f"vdb={own},format=qcow2", disks_only=1)
    assert [(file["disk"], file["to"]) for file in plan["files"]] == [("vdb", own)]
    assert plan["definition"] == world.text().replace(world.at("csv1", "b.qcow2"), own)
    plan = world.plan(dest=world.volumes["csv2"], disks_only=1, disks=f"vda={source}")
    assert [file["disk"] for file in plan["files"]] == ["vdb"]
    assert world.names("csv2") == []


def test_bad_parameters(world):
    dest = world.volumes["csv2"]
    world.refuse("give name=/path", element="", code=2, dest=dest, volumes="csv2")
    world.refuse("absolute path of a directory", element="", code=2, dest="csv2")
    world.refuse("absolute path of a directory", element="", code=2, dest=f"{dest}/../x")
    world.refuse("give TARGET=/absolute/path", element="", code=2, disks="vda=web.img")
    world.refuse("not well-formed", element="/", text="<domain>", dest=dest)
    world.refuse("not <domain>", element="/", text="<network/>", dest=dest)
    world.refuse("no disk vdz; it has vda", element="/domain/devices", disks=f"vdz={dest}/x")
    world.refuse("nothing would move", element="/domain", dest=world.volumes["csv1"])
    world.refuse("nothing would move", element="/domain")
    world.refuse("vda is raw: a move changes its format only while the VM runs", disks=f"vda={dest}/x,format=qcow2")


def test_targets_that_are_taken(world):
    target = world.at("csv2", "web.img")
    world.write(target, size=1, holes=False)
    assert target in world.refuse("exists", dest=world.volumes["csv2"])
    os.unlink(target)
    os.symlink("/nowhere", target)
    world.refuse("exists", dest=world.volumes["csv2"])
    os.unlink(target)
    world.refuse("is a directory; name the file in it as well: vda=", disks=f"vda={world.volumes['csv2']}")
    os.symlink(world.at("csv1", "web.img"), target)
    world.refuse("is the same file as", dest=world.volumes["csv2"])
    os.unlink(target)
    os.link(world.at("csv1", "web.img"), target)
    world.refuse("is the same file as", dest=world.volumes["csv2"])
    os.symlink("csv1", os.path.join(world.path, "also1"))
    world.volumes["also1"] = os.path.join(world.path, "also1")
    world.refuse("is the same file as", dest=world.volumes["also1"])


def test_directories_that_will_not_do(world):
    world.refuse("there is no directory", dest=world.at("csv2", "none"))
    world.write(world.at("csv2", "file"), size=1, holes=False)
    world.refuse("there is no directory", dest=world.at("csv2", "file"))
    world.refuse("is on none of the cluster's 2 volumes", dest="/tmp")
    world.refuse("is on none of the cluster's 2 volumes", dest=f"{world.volumes['csv2']}x")
    os.mkdir(os.path.join(world.path, "local"))
    os.symlink("../local", world.at("csv2", "away"))
    world.refuse("leads away from the cluster's volumes by a symbolic link", dest=world.at("csv2", "away"))
    os.mkdir(world.at("csv2", "inside"))
    os.symlink("inside", world.at("csv2", "link"))
    world.plan(dest=world.at("csv2", "link"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems")
def test_a_file_system_that_is_read_only_or_too_small(world):
    """Each of the two files would fit into 15 MB."""
    for name in ("web.img", "b.img"):
        world.write(world.at("csv1", name), holes=False)
    world.add("vdb", world.at("csv1", "b.img"))
    script = 'mount -t tmpfs -o "$2" none "$0" && exec "$1" copy-plan'
    volumes = ":".join(f"{name}={path}" for name, path in world.volumes.items())
    for options, words in (("ro", "cannot write to "), ("size=15m", "19 MB are needed, 15 MB are free; free some"), ("size=20m", "")):
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, world.volumes["csv2"], AGENT, options], text=True,
                              check=False, input=world.text(), capture_output=True, timeout=LIMIT_S,
                              env={**os.environ, "OCF_RESKEY_volumes": volumes, "OCF_RESKEY_dest": world.volumes["csv2"]})
        if "mount:" in done.stderr or "unshare:" in done.stderr:
            pytest.skip("no mount namespace to be had here")
        assert words in done.stdout and done.returncode == (6 if words else 0), done


def test_two_files_that_would_become_one(world):
    os.mkdir(world.at("csv1", "b"))
    world.add("vdb", world.write(world.at("csv1", "b/web.img"), size=1, holes=False))
    second = "/domain/devices/disk[2]/source"
    world.refuse("vda and vdb would both become", element=second, dest=world.volumes["csv2"])
    os.symlink("csv2", os.path.join(world.path, "also2"))
    world.volumes["also2"] = os.path.join(world.path, "also2")
    world.refuse("vda and vdb would become the same file", element=second, dest=world.volumes["csv2"],
                 disks=f"vdb={world.at('also2', 'web.img')}")


def test_sources_that_cannot_be_copied(world):
    source = world.at("csv1", "web.img")
    os.rename(source, f"{source}.real")
    dest = world.volumes["csv2"]
    assert source in world.refuse("No such file or directory; is its volume there?", dest=dest)
    os.symlink(f"{source}.real", source)
    world.refuse("is no regular file but a symbolic link", dest=dest)
    os.unlink(source)
    os.mkfifo(source)
    world.refuse("is no regular file; only files can be copied", dest=dest)
    os.unlink(source)
    os.rename(f"{source}.real", source)
    os.link(source, world.at("csv1", "again.img"))
    world.add("vdb", world.at("csv1", "again.img"))
    world.refuse("vda and vdb are the same file", element="/domain/devices/disk[2]/source", dest=dest)


@pytest.mark.parametrize("backing, flags, kind, words", [
    ("base.qcow2", 0, "qcow2", "has the backing file base.qcow2, which its copy would look for in another place"),
    ("json:{}", 0, "qcow2", "which its copy would look for in another place"),
    ("/var/base.qcow2", 0, "qcow2", "has the backing file /var/base.qcow2, which is on none of the cluster's 2 volumes"),
    ("", 4, "qcow2", "is in another file (data_file)"),
    ("", 0, "vmdk", "does not know which other files an image of format vmdk needs"),
])
def test_images_that_need_other_files(world, backing, flags, kind, words):
    world.image("b.img", backing, flags, kind)
    world.refuse(words, element="/domain/devices/disk[2]/source", dest=world.volumes["csv2"])
    # Whoever leaves it where it is need not know.
    world.plan(disks=f"vda={world.at('csv2', 'web.img')}")


def test_of_a_vm_that_runs(world):
    """Another format, but neither the UEFI variables nor an image that is built upon another one."""
    target = world.at("csv2", "web.qcow2")
    plan = world.plan(disks=f"vda={target},format=qcow2", running=1)
    assert [(file["disk"], file["format"], file["new_format"]) for file in plan["files"]] == [("vda", "raw", "qcow2")]
    assert f'<driver type="qcow2" name="qemu"/>\n      <source file="{target}"/>' in plan["definition"]
    world.refuse("is the same file as", disks=f"vda={world.at('csv1', 'web.img')},format=qcow2", running=1)
    base = world.write(world.at("csv1", "base.img"), size=1, holes=False)
    world.image("b.img", base)
    world.refuse("so it cannot become raw", element="/domain/devices/disk[2]/source", disks=f"vdb={world.at('csv2', 'b')},format=raw",
                 running=1)
    variables = world.write(world.at("csv1", "web_VARS.fd"), size=300, holes=False)
    world.nvram = f"<nvram>{variables}</nvram>"
    world.refuse("the VM runs: its UEFI variables", element="/domain/os/nvram", dest=world.volumes["csv2"], running=1)
    world.plan(dest=world.volumes["csv2"], running=1, disks_only=1)


def test_internal_snapshots_come_along_only_while_it_is_off(world):
    world.image("b.img", snapshots=2)
    world.refuse("b.img has internal snapshots (2)", element="/domain/devices/disk[2]/source", dest=world.volumes["csv2"], running=1)
    world.plan(dest=world.volumes["csv2"])


def test_the_state_of_a_tpm(world):
    """A file in a directory of its own, which is not there yet at the new place."""
    state = world.at("csv1", "tpm")
    world.disks += f"<tpm><backend type='emulator' version='2.0'><source type='dir' path='{state}'/></backend></tpm>"
    source = "/domain/devices/tpm[1]/backend/source"
    world.refuse("its TPM has no state yet", element=source, dest=world.volumes["csv2"])
    os.mkdir(state)
    world.write(os.path.join(state, "tpm2-00.permall"), size=5000, holes=False)
    plan = world.plan(dest=world.volumes["csv2"])
    assert [(file["disk"], file["from"], file["to"]) for file in plan["files"]][1:] == [
        ("tpm", f"{state}/tpm2-00.permall", world.at("csv2", "tpm/tpm2-00.permall"))]
    assert f"path=\"{world.at('csv2', 'tpm')}\"" in plan["definition"]
    os.mkdir(world.at("csv2", "tpm"))
    world.plan(dest=world.volumes["csv2"])
    world.write(world.at("csv2", "tpm/tpm2-00.permall"), size=5, holes=False)
    world.refuse("tpm2-00.permall exists on ", element=source, dest=world.volumes["csv2"])
    assert len(world.plan(dest=world.volumes["csv2"], disks_only=1)["files"]) == 1


def test_backing_files_on_volumes_stay(world):
    base = world.write(world.at("csv1", "base.img"), size=1, holes=False)
    world.image("b.img", base)
    assert len(world.plan(dest=world.volumes["csv2"])["files"]) == 2
    os.unlink(base)
    assert len(world.plan(dest=world.volumes["csv2"])["files"]) == 2
    os.mkdir(os.path.join(world.path, "local"))
    world.write(os.path.join(world.path, "local", "base"), size=1, holes=False)
    os.symlink("../local/base", base)
    second = "/domain/devices/disk[2]/source"
    world.refuse("on none of the cluster's", element=second, dest=world.volumes["csv2"])
    os.unlink(base)
    os.link(world.at("csv1", "web.img"), base)
    world.refuse("is the file of vda, which is to move as well", element=second, dest=world.volumes["csv2"])
    world.plan(disks=f"vdb={world.at('csv2', 'b.img')}")


def test_a_raw_file_is_never_read_as_qcow2(world):
    """Its guest could have written such a header."""
    world.image("b.img", "base.qcow2", kind="raw")
    assert world.plan(dest=world.volumes["csv2"])["files"][1]["format"] == "raw"


def test_a_file_that_is_no_qcow2_image(world):
    world.add("vdb", world.write(world.at("csv1", "b.img"), size=70000, holes=False), "qcow2")
    world.refuse("is not a qcow2 image", element="/domain/devices/disk[2]/source", dest=world.volumes["csv2"])
