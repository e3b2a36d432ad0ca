"""Imports run only along the arrows of the design, and commands start without torch."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[1] / "packages"
MAY_IMPORT = {
    "schema": set(),
    "datagen": {"vargpt_schema"},
    "model": {"vargpt_schema"},
    "eval": {"vargpt_schema", "vargpt_model"},
}
SCHEMA_ALLOWS = {"pyarrow", "vargpt_schema", *sys.stdlib_module_names}


MODEL_FREE_PARTS_OF_EVAL = ("generation/", "metrics/", "report/", "scoring/", "world/")
CAPTIONING_MODEL = "vargpt_datagen/captioning/blip2.py"  # the one file of datagen with torch in it


def imported_modules(
    package: str, pattern: str = "**/*.py", *, without: str | None = None
) -> set[str]:
    """Top-level names that files of a package import, but for one file."""
    found: set[str] = set()
    source = PACKAGES / package / "src"
    for path in source.glob(pattern):
        if path.relative_to(source).as_posix() == without:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_packages_import_each_other_only_along_the_arrows(package):
    ours = {name for name in imported_modules(package) if name.startswith("vargpt_")}
    assert ours - {f"vargpt_{package}"} <= MAY_IMPORT[package]


def test_schema_imports_pyarrow_and_the_standard_library_only():
    assert imported_modules("schema") <= SCHEMA_ALLOWS


@pytest.mark.parametrize("package", ["schema", "datagen"])
def test_these_packages_do_not_import_torch(package):
    assert "torch" not in imported_modules(package, without=CAPTIONING_MODEL)
    assert "transformers" not in imported_modules(package, without=CAPTIONING_MODEL)


def test_eval_imports_models_only_where_models_answer_or_see():
    heavy = {"torch", "transformers", "vargpt_model"}
    found = {
        folder
        for folder in ("", *MODEL_FREE_PARTS_OF_EVAL)
        if heavy & imported_modules("eval", f"vargpt_eval/{folder}*.py")
    }
    assert found == set()


@pytest.mark.parametrize("module", ["vargpt_datagen.cli", "vargpt_eval.cli"])
def test_commands_run_where_torch_cannot_be_imported(module):
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['command', '--help'];"
        f"from {module} import main; main()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "Usage" in ran.stdout


def test_bare_install_brings_no_torch():
    uv = shutil.which("uv")
    assert uv, "uv runs this suite, so it is on PATH"
    export = [uv, "export", "--quiet", "--frozen", "--no-hashes", "--no-annotate", "--no-header"]
    ran = subprocess.run(export, cwd=PACKAGES.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    names = {line.split("==")[0] for line in ran.stdout.splitlines()}
    assert {"pyarrow", "typer"} <= names
    assert "torch" not in names
