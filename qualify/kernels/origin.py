# SPDX-License-Identifier: Apache-2.0
"""Where the source of a kernel comes from: a tree, a tarball, or Debian's source packages; and getting it unpacked."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qualify.errors import HarnessError, InputError, Problem, UsageError

__all__ = ["Debian", "Origin", "Run", "Tarball", "Tree", "debian_version", "parse_origin", "unpack"]

#: Runs a program in a folder, to the end; HarnessError when it fails. Returns its standard output.
Run = Callable[[Sequence[str], Path], str]

_TARBALL = re.compile(r"\.tar(\.(xz|gz|bz2|zst))?$|\.t[gx]z$")
_DEB_SRC = "deb-src http://deb.debian.org/debian trixie-backports main"


@dataclass(frozen=True)
class Tree:
    """A source tree, which is built elsewhere and not changed."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Tarball:
    """A source tree in a tar file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Debian:
    """A version of Debian's kernel source: an upstream version (6.19.11) or a full one (6.19.11-1~bpo13+1)."""

    version: str

    def __str__(self) -> str:
        return f"debian:{self.version}"


Origin = Tree | Tarball | Debian


def parse_origin(text: str) -> Origin:
    """What SOURCE on the command line means; InputError when it is none of the three, or a tree that is in use."""
    if text.startswith("debian:"):
        version = text.removeprefix("debian:")
        if not re.fullmatch(r"\d+\.\d+[\w.+~-]*", version):
            raise UsageError(f"'{text}': expected a version of Debian's kernel source, such as debian:6.19.11")
        return Debian(version)
    path = Path(text).expanduser()
    if path.is_file():
        if not _TARBALL.search(path.name):
            hint = "expected the folder of a source tree, a .tar.xz (or .gz, .bz2, .zst), or debian:VERSION"
            raise InputError([Problem(text, 0, 0, "is not a tarball by its name", hint)])
        return Tarball(path.absolute())
    if not path.is_dir():
        hint = "give the folder of a source tree, a tarball, or debian:VERSION"
        raise InputError([Problem(text, 0, 0, "no such file or folder", hint)])
    _check_tree(path)
    return Tree(path.absolute())


def unpack(origin: Origin, work: Path, run: Run) -> Path:
    """The source tree: where it is, or unpacked below `work`. InputError when that is no kernel's source."""
    match origin:
        case Tree(path):
            return path
        case Tarball(path):
            return _untar(path, work, run)
        case Debian(version):
            return _untar(_fetch(version, work, run), work, run)


def debian_version(version: str, offered: Sequence[str]) -> str | None:
    """Of the versions that are offered, the one that is asked for, in full or as upstream's; the first counts."""
    if version in offered:
        return version
    return next((v for v in offered if re.match(rf"{re.escape(version)}(-|~|$)", v)), None)


def _check_tree(path: Path) -> None:
    wanted = ("Makefile", "Kconfig", "arch/x86/Kconfig")
    missing = [name for name in wanted if not (path / name).is_file()]
    if missing:
        text = f"is not the source tree of a kernel: there is no {', no '.join(missing)}"
        raise InputError([Problem(str(path), 0, 0, text, "give the top folder of a complete tree")])
    if (path / ".config").exists() or (path / "include" / "config").exists():
        hint = "run 'make mrproper' there (it deletes .config), or give a clean copy: git worktree add ../clean"
        text = "something was configured or built in this tree, and a kernel's Makefile then builds nowhere else"
        raise InputError([Problem(str(path), 0, 0, text, hint)])


def _untar(path: Path, work: Path, run: Run) -> Path:
    tree = work / "source"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    run(["tar", "-xf", str(path), "-C", str(tree), "--strip-components=1", "--no-same-owner"], work)
    _check_tree(tree)
    return tree


def _fetch(version: str, work: Path, run: Run) -> Path:
    """Debian's upstream tarball, else the one in a linux-source package."""
    if shutil.which("apt-get") is None:
        raise UsageError(f"debian:{version} needs apt-get, which is not here; give a tarball from kernel.org")
    for old in work.glob("*.tar.*"):
        old.unlink()
    sources = _offered(["apt-cache", "showsrc", "--only-source", "linux"])
    if (full := debian_version(version, sources)) is not None:
        options = [] if _writable_by_apt(work) else ["-o", "APT::Sandbox::User=root"]
        run(["apt-get", *options, "source", "--download-only", "--tar-only", f"linux={full}"], work)
        return _only(work, "linux_*.orig.tar.*")
    package = f"linux-source-{'.'.join(version.split('.')[:2])}"
    binaries = _offered(["apt-cache", "show", package])
    if (full := debian_version(version, binaries)) is not None:
        run(["apt-get", "download", f"{package}={full}"], work)
        deb = _only(work, f"{package}_*.deb")
        run(["dpkg-deb", "-x", str(deb), str(work / "deb")], work)
        return _only(work / "deb" / "usr" / "src", "linux-source-*.tar.*")
    known = sorted({*sources, *binaries})
    raise UsageError(
        f"apt knows neither source package linux {version} nor {package} of that version"
        + (f" (it knows {', '.join(known)})" if known else "")
        + f"; add a line such as '{_DEB_SRC}' to its sources and run 'apt-get update' (APT_CONFIG can name a "
        "configuration of your own), or give a tarball from kernel.org"
    )


def _offered(command: list[str]) -> list[str]:
    """The versions that apt names, in its order; none when it knows no such package."""
    done = subprocess.run(command, capture_output=True, text=True)
    return list(dict.fromkeys(re.findall(r"^Version: (\S+)$", done.stdout, re.MULTILINE)))


def _writable_by_apt(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o002)


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise HarnessError(f"expected one {pattern} in {folder}, found {len(found)}")
    return found[0]
