# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds clusterd and stages it for the nodes: the tree that is laid over their /usr.

Everything built lies under the repository's build directory; only the stage (what cmake --install put there) is part of a
lab, so a lab that is up keeps the binaries it was started with.
"""

import fcntl
import os
import shutil
import subprocess
import sys

from . import errors, image, settings as lab_settings

PACKAGES_TOOL = os.path.join(lab_settings.REPOSITORY, "tools", "packages.sh")
BUILD_ROOT = os.path.join(lab_settings.REPOSITORY, "build")
GUEST_CACHE = os.path.join(BUILD_ROOT, "lab")
NODE_SHARE = "usr/lib/clusterd-lab"  # seen in the nodes as /usr/lib/clusterd-lab
GUEST_KERNEL = f"/{NODE_SHARE}/vmlinux"
GUEST_INITRAMFS = f"/{NODE_SHARE}/initramfs"


def install_packages(sets):
    # Its words go to stderr as they come: on a fresh machine this takes a while.
    if subprocess.run([PACKAGES_TOOL, *sets], stdout=sys.stderr, check=False).returncode != 0:
        raise errors.LabError(f"packages could not be installed; see what '{PACKAGES_TOOL} {' '.join(sets)}' says")


def compile_release():
    """Configures and builds the release preset; returns its build directory."""
    build_dir = os.path.join(BUILD_ROOT, "release")
    os.makedirs(build_dir, exist_ok=True)
    with open(os.path.join(build_dir, "lab.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two labs may come up at once
        _compile(build_dir)
    return build_dir


def _compile(build_dir):
    if not os.path.exists(os.path.join(build_dir, "build.ninja")):
        _run(["cmake", "--preset", "release", "-D", "CLUSTERD_TESTS=OFF"], "cmake could not configure the build")
    _run(["cmake", "--build", "--preset", "release"], "clusterd could not be built")


def stage(settings, build_dir):
    """Fills the lab's stage from a build directory (none: a lab without clusterd)."""
    target = settings.path("stage")
    shared = os.path.join(target, NODE_SHARE)
    os.makedirs(shared)
    if build_dir:
        environment = dict(os.environ, DESTDIR=target)
        for component in ([], ["--component", "lab"]):
            _run(["cmake", "--install", build_dir, *component], "the build could not be staged", environment)
    else:
        # A lab without clusterd still has its fence agent.
        os.makedirs(os.path.join(target, "usr/sbin"))
        _run(["cc", "-std=gnu17", "-O2", "-D_GNU_SOURCE", "-o", os.path.join(target, "usr/sbin/fence_lab"),
              os.path.join(lab_settings.LAB_DIR, "fence_lab.c"), "-ljansson"], "fence_lab could not be built")
    shutil.copy(os.path.join(lab_settings.LAB_DIR, "labkit", "node_init.py"), shared)
    kernel, initramfs = image.ensure(GUEST_CACHE, os.path.join(lab_settings.LAB_DIR, "guest_init.c"), PACKAGES_TOOL)
    shutil.copy(kernel, os.path.join(target, GUEST_KERNEL.lstrip("/")))
    shutil.copy(initramfs, os.path.join(target, GUEST_INITRAMFS.lstrip("/")))


def _run(command, what, environment=None):
    done = subprocess.run(command, cwd=lab_settings.REPOSITORY, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-25:])
        raise errors.LabError(f"{what}: '{' '.join(command)}' ended with {done.returncode}:\n{tail}")
