# SPDX-License-Identifier: Apache-2.0
"""Building: what is found out before a compiler starts, the estimate, and one build of a tree with a real make."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from qualify.errors import HarnessError, InputError, UsageError
from qualify.kernels import read_image
from qualify.kernels.build import compile_kernel, configure, missing_tools, runner
from qualify.kernels.config import parse_config
from qualify.kernels.estimate import Sample, estimate, measure, sample_source
from qualify.kernels.fragment import FRAGMENT, read_fragment, unmet
from qualify.kernels.kconfig import declared_options, merged, why_not
from qualify.kernels.origin import Debian, Tarball, Tree, debian_version, parse_origin, unpack
from tests.kernels.images import bzimage

needs_make = pytest.mark.skipif(
    shutil.which("make") is None or shutil.which("gcc") is None, reason="make or gcc is missing"
)

#: Answers as a kernel's Makefile does: configures out of the tree, drops what it does not declare, copies an image.
_MAKEFILE = """\
O ?= .
tinyconfig:
\techo 'CONFIG_64BIT=y' > $(O)/.config
olddefconfig:
\tgrep -v -e CONFIG_DEVMEM= -e X86_5LEVEL $(O)/.config > $(O)/new
\tmv $(O)/new $(O)/.config
\techo '# CONFIG_DEVMEM is not set' >> $(O)/.config
bzImage:
\ttest ! -e broken
\tmkdir -p $(O)/arch/x86/boot && cp image $(O)/arch/x86/boot/bzImage
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that has every option of the fragment but X86_5LEVEL, and never turns DEVMEM on."""
    top = tmp_path / "linux"
    (top / "arch" / "x86").mkdir(parents=True)
    (top / "arch" / "arm").mkdir()
    (top / "Makefile").write_text(_MAKEFILE)
    (top / "arch" / "arm" / "Kconfig").write_text("config X86_5LEVEL\n\tbool\n")
    (top / "arch" / "x86" / "Kconfig").write_text("config MMU\n\tdef_bool y\n")
    names = [name for name in read_fragment() if name != "X86_5LEVEL"]
    text = "".join(f"config {name}\n\tbool\n{_depends(name)}\thelp\n\t  config NOT_ONE\n\n" for name in names)
    (top / "Kconfig").write_text(text)
    (top / "image").write_bytes(bzimage())
    return top


def _depends(name: str) -> str:
    return "\tdepends on MMU && \\\n\t\t!LOCKED\n" if name == "DEVMEM" else ""


def extra(folder: Path, text: str) -> Path:
    path = folder / "extra.config"
    path.write_text(text)
    return path


def test_every_option_of_the_fragment_says_why() -> None:
    reason = ""
    for line in FRAGMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("# ---") or not line:
            reason = ""
        elif line.startswith("#") and "CONFIG_" not in line:
            reason = line
        else:
            assert reason, f"{line} has no reason above it"
    assert {"KEXEC_HANDOVER", "LIVEUPDATE", "IKCONFIG_PROC", "DEVMEM"} <= set(read_fragment())


@pytest.mark.kernels
@pytest.mark.skipif("QUALIFY_KERNELS" not in os.environ, reason="QUALIFY_KERNELS names no folder of kernels")
def test_the_given_kernels_have_what_the_fragment_asks_for() -> None:
    paths = [p for f in os.environ["QUALIFY_KERNELS"].split(os.pathsep) for p in Path(f).glob("*/config")]
    assert paths
    for path in paths:
        options = parse_config(path.read_text(encoding="utf-8"))
        missing = {u.option for u in unmet(read_fragment(), options) if u.option in options}
        assert missing <= {"LOG_BUF_SHIFT", "PROC_SYSCTL", "LIVEUPDATE_MEMFD"}, path


def test_options_are_merged_and_the_last_word_counts() -> None:
    base = "#\n# Linux/x86\n#\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_AB=y\n"
    text = merged(base, [{"A": "n", "C": "y"}, {"C": "m", "D": "18", "E": "", "F": "a b"}])
    assert text.splitlines() == [
        "#", "# Linux/x86", "#", "CONFIG_B=m", "CONFIG_AB=y",
        "# CONFIG_A is not set", "CONFIG_C=m", "CONFIG_D=18", 'CONFIG_E=""', 'CONFIG_F="a b"',
    ]  # fmt: skip
    assert unmet({"A": "n", "B": "y", "G": "n", "H": "y", "E": ""}, parse_config(text), frozenset("ABG")) == (
        unmet({"B": "y"}, parse_config(text))[0],
        unmet({"H": "y"}, parse_config(text), frozenset())[0],
    )


def test_what_an_option_depends_on_is_found_in_the_tree(tree: Path) -> None:
    declared = declared_options(tree)
    assert "NOT_ONE" not in declared
    assert "X86_5LEVEL" not in declared, "other architectures do not count"
    assert declared["DEVMEM"].depends == ("MMU && !LOCKED",)
    options = {"MMU": "y"}
    assert why_not("DEVMEM", declared, options) == "Kconfig: depends on MMU && !LOCKED; here MMU=y, LOCKED=n"
    assert why_not("X86_5LEVEL", declared, options) == "this tree has no such option"
    assert "gives no condition" in why_not("KEXEC_FILE", declared, options)


def test_sources_are_recognised(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "linux-7.1.tar.xz").write_bytes(b"")
    assert parse_origin(str(tree)) == Tree(tree)
    assert parse_origin(str(tmp_path / "linux-7.1.tar.xz")) == Tarball(tmp_path / "linux-7.1.tar.xz")
    assert parse_origin("debian:6.19.11-1~bpo13+1") == Debian("6.19.11-1~bpo13+1")
    with pytest.raises(UsageError, match="expected a version of Debian's kernel source"):
        parse_origin("debian:trixie")
    with pytest.raises(InputError, match="no such file or folder"):
        parse_origin(str(tmp_path / "none"))
    (tmp_path / "text").write_text("")
    with pytest.raises(InputError, match="is not a tarball by its name"):
        parse_origin(str(tmp_path / "text"))
    with pytest.raises(InputError, match="there is no Makefile, no Kconfig, no arch/x86/Kconfig"):
        parse_origin(str(tmp_path))
    (tree / ".config").write_text("")
    with pytest.raises(InputError, match="make mrproper"):
        parse_origin(str(tree))


def test_versions_of_debian_are_matched_whole() -> None:
    offered = ["6.19.110-1", "6.19.11-1~bpo13+1", "6.19.11-1"]
    assert debian_version("6.19.11", offered) == "6.19.11-1~bpo13+1"
    assert debian_version("6.19.11-1", offered) == "6.19.11-1"
    assert debian_version("6.19.1", offered) is None


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get")
def test_what_debian_does_not_have_is_explained(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"apt knows neither source package linux 1\.0\.1 nor linux-source-1\.0 of that"
    ):
        unpack(Debian("1.0.1"), tmp_path, runner(tmp_path / "log"))


def test_the_estimate_scales_with_the_machine_the_options_and_the_jobs() -> None:
    plain = estimate(Sample(1.0, 1.0), 700, 1, 2)
    assert plain.least < plain.most
    assert estimate(Sample(2.0, 2.0), 700, 1, 2).least == pytest.approx(plain.least * 2)
    assert estimate(Sample(1.0, 1.0), 1400, 1, 2).least == pytest.approx(plain.least * 2)
    assert estimate(Sample(1.0, 1.0), 700, 2, 2).least == pytest.approx(plain.least / 2)
    assert estimate(Sample(1.0, 1.0), 700, 9, 2) == estimate(Sample(1.0, 1.0), 700, 9, 2)
    assert estimate(Sample(1.0, 1.0), 700, 9, 2).least == pytest.approx(plain.least / 2), "only as many as processors"
    assert estimate(Sample(1.0, 3.0), 700, 1, 2).least == pytest.approx(plain.least * 3), "others use the machine too"
    assert "a sample file took 1.00 s of a processor" in plain.basis
    assert str(estimate(Sample(0.01, 0.01), 700, 1, 1)).endswith(" seconds")
    assert str(estimate(Sample(9.0, 9.0), 700, 1, 1)).endswith(" minutes")


@needs_make
def test_the_sample_is_compiled() -> None:
    sample = measure()
    assert sample.processor > 0
    assert sample.wall > 0
    assert sample_source() == sample_source()
    with pytest.raises(HarnessError, match="cannot run no-such-compiler"):
        measure("no-such-compiler")


@needs_make
def test_a_tree_is_configured_built_and_not_touched(tree: Path, tmp_path: Path) -> None:
    before = sorted(tree.rglob("*"))
    off = extra(tmp_path, "# CONFIG_DEVMEM is not set\nCONFIG_LOG_BUF_SHIFT=20\n")
    configured = configure(Tree(tree), tmp_path / "work", extra=[off])
    assert configured.unknown == ("X86_5LEVEL",)
    assert (configured.options["LOG_BUF_SHIFT"], configured.options["KEXEC_HANDOVER"]) == ("20", "y")
    assert configured.base == "make tinyconfig"
    built = compile_kernel(configured, 1)
    assert read_image(built.image).release == "7.1.13"
    assert "gcc" in built.compiler
    assert built.btf is None
    assert sorted(tree.rglob("*")) == before
    assert "$ make O=" in configured.log.read_text()


@needs_make
def test_an_option_that_does_not_take_effect_is_named_with_its_reason(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        configure(Tree(tree), tmp_path / "work")
    (problem,) = error.value.problems
    assert (problem.file, problem.message) == ("fragment.config", "DEVMEM=y did not take effect: it is n")
    assert problem.hint.startswith("Kconfig: depends on MMU && !LOCKED; here MMU=n, LOCKED=n. To do without it, give")
    own = extra(tmp_path, "CONFIG_DEVMEM=m\n")
    with pytest.raises(InputError) as error:
        configure(Tree(tree), tmp_path / "work", extra=[own])
    assert error.value.problems[0].file == str(own)


@needs_make
def test_a_build_that_fails_says_its_last_words(tree: Path, tmp_path: Path) -> None:
    configured = configure(Tree(tree), tmp_path / "work", extra=[extra(tmp_path, "# CONFIG_DEVMEM is not set\n")])
    (tree / "broken").write_text("")
    with pytest.raises(HarnessError, match=r"(?s)bzImage failed with status 2; the log is .*build\.log\n.*Error 1"):
        compile_kernel(configured, 1)


@needs_make
def test_a_tarball_is_unpacked_below_the_work_folder(tree: Path, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "linux"), "gztar", tmp_path, "linux")
    off = extra(tmp_path, "# CONFIG_DEVMEM is not set\n")
    base = tmp_path / "base"
    base.write_text("CONFIG_MINE=y\n")
    configured = configure(parse_origin(packed), tmp_path / "work", base=base, extra=[off])
    assert configured.tree == tmp_path / "work" / "source"
    assert configured.options["MINE"] == "y"
    (tmp_path / "other.tar").write_bytes(b"no tar at all" * 99)
    with pytest.raises(HarnessError, match="tar -xf"):
        configure(parse_origin(str(tmp_path / "other.tar")), tmp_path / "work2")
    (tmp_path / "base").write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        configure(parse_origin(packed), tmp_path / "work", base=base)


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    packages = {t.package for t in missing_tools({"DEBUG_INFO_BTF": "y"})}
    assert packages == {"make", "gcc", "binutils", "flex", "bison", "bc", "pahole"}


@pytest.mark.slow
@needs_make
@pytest.mark.skipif("QUALIFY_KERNEL_SOURCE" not in os.environ, reason="QUALIFY_KERNEL_SOURCE names no source tree")
def test_a_real_tree_takes_every_option_that_it_has(tmp_path: Path) -> None:
    if missing_tools():
        pytest.skip(f"missing: {missing_tools()}")
    configured = configure(parse_origin(os.environ["QUALIFY_KERNEL_SOURCE"]), tmp_path)
    assert set(configured.unknown) <= {"X86_5LEVEL", "LIVEUPDATE", "LIVEUPDATE_MEMFD", "LIVEUPDATE_TEST",
                                       "KEXEC_HANDOVER_DEBUGFS", "KEXEC_HANDOVER_DEBUG"}  # fmt: skip
    assert configured.options["KEXEC_HANDOVER"] == "y"
