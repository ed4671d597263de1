# SPDX-License-Identifier: Apache-2.0
"""Building a kernel: our fragment over a base, checked before the compiler starts, and into the registry at the end.

The base is `make tinyconfig` unless there is another: it leaves everything off that nobody asked for, so that a build
takes minutes where x86_64_defconfig takes the better part of an hour on one processor, and what the fragment turns on
is all there is to explain. Whoever wants to know about a kernel that is in use gives its own configuration.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qualify.errors import HarnessError, InputError, Problem
from qualify.kernels.config import parse_config
from qualify.kernels.estimate import Estimate, estimate, measure
from qualify.kernels.fragment import FRAGMENT, Unmet, read_fragment, unmet
from qualify.kernels.kconfig import declared_options, merged, why_not
from qualify.kernels.origin import Origin, unpack

__all__ = ["BASE", "Built", "Configured", "Tool", "compile_kernel", "configure", "missing_tools", "runner"]

#: The target of the kernel's Makefile that makes the base.
BASE = "tinyconfig"

_LAST_LINES = 15


@dataclass(frozen=True)
class Tool:
    """Something that a build needs: a program, or a header (`<gelf.h>`), with the Debian package that brings it."""

    name: str
    package: str
    why: str


_TOOLS = (
    Tool("make", "make", "runs the build"),
    Tool("gcc", "gcc", "compiles"),
    Tool("ld", "binutils", "links"),
    Tool("objcopy", "binutils", "cuts sections out"),
    Tool("flex", "flex", "reads Kconfig"),
    Tool("bison", "bison", "reads Kconfig"),
    Tool("bc", "bc", "computes kernel/time/timeconst.h"),
    Tool("<gelf.h>", "libelf-dev", "objtool reads object files"),
)
_FOR_KEYS = Tool("<openssl/evp.h>", "libssl-dev", "certs/ reads keys")
_FOR_BTF = Tool("pahole", "pahole", "makes BTF of debug information")


@dataclass(frozen=True)
class Configured:
    """A tree with a configuration that is ready to be compiled. Nothing in `tree` was changed unless we unpacked it."""

    tree: Path
    output: Path
    log: Path
    base: str  # in words
    options: Mapping[str, str]
    unknown: tuple[str, ...]  # options of the fragments that this tree does not have
    time: Estimate
    fragments: tuple[Path, ...] = field(default=(FRAGMENT,))


@dataclass(frozen=True)
class Built:
    """What a build made."""

    image: Path
    config: Path
    btf: Path | None
    compiler: str


def missing_tools(options: Mapping[str, str] | None = None) -> tuple[Tool, ...]:
    """What is not installed; with the options of a configuration also what only those ask for."""
    wanted = list(_TOOLS)
    if options is not None and options.get("SYSTEM_TRUSTED_KEYRING") == "y":
        wanted.append(_FOR_KEYS)
    if options is not None and options.get("DEBUG_INFO_BTF") == "y":
        wanted.append(_FOR_BTF)
    programs = [t for t in wanted if not t.name.startswith("<")]
    missing = [t for t in programs if shutil.which(t.name) is None]
    if not any(t.name == "gcc" for t in missing):
        missing += [t for t in wanted if t.name.startswith("<") and not _includes(t.name)]
    return tuple(missing)


def runner(log: Path) -> Callable[[Sequence[str], Path], str]:
    """Runs programs and appends what they say to `log`; HarnessError with their last words when one fails."""

    def run(command: Sequence[str], folder: Path) -> str:
        with log.open("a", encoding="utf-8") as out:
            out.write(f"$ {' '.join(command)}\n")
            out.flush()
            at = log.stat().st_size
            try:
                done = subprocess.run(
                    command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
                )
            except OSError as error:
                raise HarnessError(f"cannot run {command[0]}: {error.strerror}") from error
        with log.open("rb") as said:
            said.seek(at)
            text = said.read().decode("utf-8", errors="replace")
        if done.returncode:
            last = "\n".join(f"    {line}" for line in text.splitlines()[-_LAST_LINES:])
            raise HarnessError(f"{' '.join(command)} failed with status {done.returncode}; the log is {log}\n{last}")
        return text

    return run


def configure(
    origin: Origin,
    work: Path,
    *,
    base: Path | None = None,
    extra: Sequence[Path] = (),
    jobs: int = 1,
    processors: int = 1,
) -> Configured:
    """Unpack, configure and check; nothing is compiled but the kernel's own configuration program.

    InputError when an option that a fragment sets and the tree has did not take effect, with why it may not have;
    HarnessError when a program fails. `work` holds everything that is made, with the log.
    """
    fragments = [read_fragment(path) for path in (FRAGMENT, *extra)]
    text = _base_text(base)
    work.mkdir(parents=True, exist_ok=True)
    log = work / "build.log"
    log.write_text("", encoding="utf-8")
    run = runner(log)
    tree, output = unpack(origin, work, run), work / "build"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    make = ["make", f"O={output}", "ARCH=x86_64"]
    if text is None:
        run([*make, BASE], tree)
        text = (output / ".config").read_text(encoding="utf-8")
    (output / ".config").write_text(merged(text, fragments), encoding="utf-8")
    run([*make, "olddefconfig"], tree)
    options = parse_config((output / ".config").read_text(encoding="utf-8"))
    unknown = _check(tree, fragments, extra, options)
    on = sum(value == "y" for value in options.values())
    return Configured(
        tree=tree,
        output=output,
        log=log,
        base=str(base) if base is not None else f"make {BASE}",
        options=options,
        unknown=unknown,
        time=estimate(measure(), on, jobs, processors),
        fragments=(FRAGMENT, *extra),
    )


def compile_kernel(configured: Configured, jobs: int) -> Built:
    """Make bzImage; with BTF its section of vmlinux too. HarnessError with the compiler's last words when it fails."""
    run = runner(configured.log)
    make = ["make", f"O={configured.output}", "ARCH=x86_64", f"-j{jobs}"]
    run([*make, "bzImage"], configured.tree)
    btf = None
    if configured.options.get("DEBUG_INFO_BTF") == "y":
        btf = configured.output / "vmlinux.btf"
        command = ["objcopy", "-O", "binary", "--only-section=.BTF", "--set-section-flags", ".BTF=alloc"]
        run([*command, "vmlinux", str(btf)], configured.output)
    image = configured.output / "arch" / "x86" / "boot" / "bzImage"
    if not image.is_file():
        raise HarnessError(f"the build ended well but there is no {image}; the log is {configured.log}")
    version = subprocess.run(["gcc", "--version"], capture_output=True, text=True)
    compiler = version.stdout.splitlines()[0] if version.returncode == 0 and version.stdout else "gcc"
    return Built(image, configured.output / ".config", btf, compiler)


def _base_text(base: Path | None) -> str | None:
    if base is None:
        return None
    try:
        text = base.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text; /proc/config.gz must be unpacked"
        raise InputError([Problem(str(base), 0, 0, f"cannot be read: {reason}")]) from error
    if not parse_config(text):
        raise InputError([Problem(str(base), 0, 0, "is not a kernel configuration: it sets no option")])
    return text


def _check(
    tree: Path, fragments: Sequence[Mapping[str, str]], extra: Sequence[Path], options: Mapping[str, str]
) -> tuple[str, ...]:
    """Options that the tree does not have; InputError for those that it has and that did not take effect."""
    wanted: dict[str, str] = {}
    for fragment in fragments:
        wanted |= fragment
    declared = declared_options(tree)
    found = unmet(wanted, options, frozenset(declared))
    refused = [u for u in found if u.known]
    if refused:
        raise InputError([_not_taken(u, why_not(u.option, declared, options), extra) for u in refused])
    return tuple(u.option for u in found)


def _not_taken(option: Unmet, why: str, extra: Sequence[Path]) -> Problem:
    owners = [p for p in extra if option.option in read_fragment(p)]
    text = f"{option.option}={option.wanted} did not take effect: it is {option.got or 'empty'}"
    hint = f"{why}. To do without it, give --fragment FILE with the value that it has"
    return Problem(str(owners[-1] if owners else FRAGMENT.name), 0, 0, text, hint)


def _includes(header: str) -> bool:
    """Whether the compiler finds a header."""
    with tempfile.TemporaryDirectory(prefix="qualify-header-") as folder:
        source = Path(folder) / "header.c"
        source.write_text(f"#include {header}\n", encoding="ascii")
        done = subprocess.run(["gcc", "-fsyntax-only", str(source)], capture_output=True)
    return done.returncode == 0
