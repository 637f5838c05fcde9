"""The installed package: every folder listed, one name for every module, a light import."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import describer

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = SETTINGS["tool"]["setuptools"]
MAPPED = {name: folder for name, folder in SETUPTOOLS["package-dir"].items() if name != "describer"}


def folders() -> set[str]:
    found = set()
    for top, name in (("describer", "describer"), *((folder, name) for name, folder in MAPPED.items())):
        for init in (ROOT / top).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / top).parts
            # Newer Pythons follow the links inside of describer/; those folders count under their own name.
            if not (top == "describer" and inner and f"describer.{inner[0]}" in MAPPED):
                found.add(".".join([name, *inner]))
    return found


def test_every_folder_with_code_is_a_listed_package():
    assert sorted(SETUPTOOLS["packages"]) == sorted(folders())
    assert len(SETUPTOOLS["packages"]) == len(set(SETUPTOOLS["packages"]))


def test_no_folder_with_code_lacks_its_init():
    for top in ("describer", *MAPPED.values()):
        for path in (ROOT / top).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), path


@pytest.mark.parametrize("name", sorted(MAPPED))
def test_the_links_lead_to_the_folders(name):
    link = ROOT / "describer" / name.removeprefix("describer.")
    assert link.is_symlink() and link.resolve() == (ROOT / MAPPED[name]).resolve()


def modules() -> list[str]:
    names = [m.name for m in pkgutil.walk_packages(describer.__path__, "describer.")]
    return [name for name in names if not name.endswith("__main__")]


def test_every_module_imports():
    names = modules()
    assert {"describer.seg.model", "describer.prompts.build", "describer.eval.truth"} <= set(names)
    for name in names:
        importlib.import_module(name)


def run(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_describer_is_light(tmp_path):
    heavy = ("torch", "transformers", "peft", "gradio", "cv2", "numpy", "PIL")
    out = run(f"import sys, describer; print([m for m in {heavy} if m in sys.modules])", tmp_path)
    assert out == "[]"


def test_generic_names_do_not_leak_out_of_the_package(tmp_path):
    names = ("seg", "prompts", "eval", "demo")
    code = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n) is not None])"
    assert run(code, tmp_path) == "[]"


def test_public_names_are_there_and_others_are_not():
    for name in describer.__all__:
        assert getattr(describer, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        describer.nothing  # noqa: B018


def test_the_version_is_the_package_s():
    assert SETTINGS["project"]["version"] == describer.__version__
