"""The house rules that a reader relies on: who imports whom, sizes, public names, and the README's folder map."""

import ast
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PACKAGE = SRC / "pathvlm_r1"
FILES = sorted(path for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py"))
MAX_FILE_LINES = 300
MAX_BODY_LINES = 50
MAX_ENTRY_POINT_LINES = 40

# Folder or module of src/pathvlm_r1 -> the others that it may import. Entry points stand above them all.
ARROWS = {
    "grpo": set(),
    "data": {"contract"},  # of the exercises alone: they end in the contract's question
    "contract": {"data"},
    "config": {"data", "contract"},  # names of splits, styles, modalities and contracts that a key may have
    "reward": {"data", "contract"},
    "interop": {"data", "contract"},
    "model": {"data", "contract", "grpo", "config"},
    "rollout": {"model", "data", "contract", "grpo", "config"},
    "tracking": {"model", "data", "contract", "grpo", "config"},
    "evaluation": {"tracking", "rollout", "reward", "model", "data", "contract", "grpo", "config"},
    "stages": {"tracking", "evaluation", "rollout", "reward", "model", "data", "contract", "grpo", "config"},
    "assembly": {
        "stages", "tracking", "evaluation", "rollout", "reward", "model", "data", "contract", "grpo", "config",
    },
    "entry": {"assembly", "stages", "reward", "tracking", "data", "config"},  # turns the errors of each into a message
}  # fmt: skip

ONLY_THIRD_PARTY = {"grpo": {"torch"}, "contract": set()}
NEVER_IN = {
    "reward": {"torch.optim", "torch.nn", "pytorch_lightning", "transformers", "peft"},
    "data": {"torch.optim", "torch.nn", "transformers", "peft"},
    "config": {"torch", "transformers", "peft", "pytorch_lightning"},  # it checks values and builds nothing
    "model": {"torch.optim", "pytorch_lightning"},
    "rollout": {"torch.optim", "pytorch_lightning"},
}
LAZILY = {("config", "pytorch_lightning")}  # to check trainer keys against Trainer's own, where they are checked

# Module below a folder that others import directly -> why its names are not the folder's own.
DEEP = {
    "pathvlm_r1.config.typed": "one part of a configuration, from a file or a manifest, is checked by itself",
    "pathvlm_r1.data.archives": "unpacking, for the one task that fetches",
    "pathvlm_r1.data.bccd": "a reader is chosen in one place, and loaded when its dataset is",
    "pathvlm_r1.data.contact_sheet": "a picture for people, drawn for one entry point",
    "pathvlm_r1.data.defects": "what readers report, for those who load samples or list what is wrong with them",
    "pathvlm_r1.data.errors": "readers and the encoder of their records raise it, and only the entry points explain it",
    "pathvlm_r1.data.exporting": "a folder of its own, with its own public names",
    "pathvlm_r1.data.formats": "a folder of its own, with its own public names",
    "pathvlm_r1.data.images": "a picture from a file, for one question asked by hand",
    "pathvlm_r1.data.mixing": "needs the stream, which imports Lightning",
    "pathvlm_r1.data.phantom": "a folder of its own, with its own public names",
    "pathvlm_r1.data.published": "a folder of its own, with its own public names",
    "pathvlm_r1.data.records": "a folder of its own, with its own public names",
    "pathvlm_r1.data.integrity": "a folder of its own, with its own public names",
    "pathvlm_r1.data.lookups": "lessons of the pretraining stage alone",
    "pathvlm_r1.data.pretraining": "exercises import the contract, which imports data: no name of the folder",
    "pathvlm_r1.data.rationale": "the language of rationales, for their writers and their judge alone",
    "pathvlm_r1.data.stream": "imports Lightning, which samples and contracts do without",
    "pathvlm_r1.data.text_floor": "a measurement of a dataset, made where one is loaded",
    "pathvlm_r1.evaluation.explain": "a folder of its own, with its own public names",
    "pathvlm_r1.reward.judges": "a folder of its own, with its own public names",
    "pathvlm_r1.model.nano": "making nano models: the embedded one in pretraining, a random one when loaded",
    "pathvlm_r1.model.processor": "folders of processors, for those who load and export them",
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def house(path: Path) -> str:
    """Folder or module right below src/pathvlm_r1; empty for the package itself and for entry points."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return parts[1] if len(parts) > 1 and parts[1] != "__init__" else ""


def imports_in(nodes: ast.AST, path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """Module and names of every import; `from pathvlm_r1 import grpo` counts as one of pathvlm_r1.grpo."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in ast.walk(nodes):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = tuple(alias.name for alias in node.names)
            modules = [name for name in names if node.module == "pathvlm_r1" and is_module(f"pathvlm_r1.{name}")]
            found += [(f"pathvlm_r1.{name}", ()) for name in modules] or [(str(node.module), names)]
    return found


def imports(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    return imports_in(tree(path), path)


def is_module(name: str) -> bool:
    path = SRC.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def targets(path: Path) -> set[str]:
    """Folders and modules of ours that a file imports, its own left out."""
    names = {module.split(".")[1] for module, _ in imports(path) if module.startswith("pathvlm_r1.")}
    return names - {house(path)}


def public_names(module: str) -> list[str]:
    """`__all__` of a package, read without importing it."""
    for node in tree(SRC.joinpath(*module.split("."), "__init__.py")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


SOURCES = [path for path in FILES if path.is_relative_to(PACKAGE)]
PACKAGES = sorted(path for path in SOURCES if path.name == "__init__.py")
ENTRY_POINTS = sorted(SRC.glob("*.py"))


def test_every_folder_has_its_place_among_the_arrows():
    assert {house(path) for path in SOURCES} - {""} == set(ARROWS)


def test_the_arrows_lead_in_no_circle():
    arrows = ARROWS | {"data": ARROWS["data"] - {"contract"}}  # the contract asks about samples
    assert set(TopologicalSorter(arrows).static_order()) == set(ARROWS)


@pytest.mark.medium
@pytest.mark.parametrize("folder", ARROWS)
def test_imports_go_downwards_only(folder):
    upwards = {
        f"{path.relative_to(SRC)} -> {target}"
        for path in SOURCES
        if house(path) == folder
        for target in targets(path) - ARROWS[folder]
    }
    assert upwards == set()


@pytest.mark.medium
def test_entry_points_are_short_and_imported_by_nothing():
    for path in ENTRY_POINTS:
        assert len(path.read_text().splitlines()) < MAX_ENTRY_POINT_LINES, path
    names = {path.stem for path in ENTRY_POINTS}
    importers = {str(path) for path in FILES for module, _ in imports(path) if module.partition(".")[0] in names}
    assert importers == set()


@pytest.mark.parametrize("folder", ONLY_THIRD_PARTY)
def test_pure_folders_import_the_named_libraries_only(folder):
    tops = {module.partition(".")[0] for path in SOURCES if house(path) == folder for module, _ in imports(path)}
    assert tops - set(sys.stdlib_module_names) - {"pathvlm_r1"} <= ONLY_THIRD_PARTY[folder]


@pytest.mark.parametrize("folder", NEVER_IN)
def test_folders_do_without_the_libraries_of_those_above(folder):
    wrong = {
        f"{path.relative_to(SRC)}: {module}"
        for path in SOURCES
        if house(path) == folder
        for module in imported_modules(path)
        for barred in NEVER_IN[folder]
        if f"{module}.".startswith(f"{barred}.") and (folder, barred) not in LAZILY
    }
    assert wrong == set()


def imported_modules(path: Path) -> set[str]:
    """Modules that a file imports; of `from torch import optim` both torch and torch.optim."""
    return {module for module, _ in imports(path)} | {
        f"{module}.{name}" for module, names in imports(path) for name in names
    }


def test_what_is_imported_lazily_is_in_no_module_body():
    for path in SOURCES:
        for node in tree(path).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                tops = {module.partition(".")[0] for module, _ in imports_in(node, path)}
                assert not {(house(path), top) for top in tops} & LAZILY, path


def foreign_imports() -> list[tuple[Path, str, tuple[str, ...]]]:
    """What sources and entry points import from folders that are not their own."""
    return [
        (path, module, names)
        for path in [*SOURCES, *ENTRY_POINTS]
        for module, names in imports(path)
        if module.startswith("pathvlm_r1.") and module.split(".")[1] != house(path)
    ]


@pytest.mark.medium
def test_folders_use_only_each_others_public_names():
    faults = []
    for path, module, names in foreign_imports():
        is_package = SRC.joinpath(*module.split("."), "__init__.py").exists()
        if module.count(".") > 1 and module not in DEEP:
            faults.append(f"{path.relative_to(SRC)}: {module} is inside another folder")
        private = [name for name in names if name.startswith("_") or (is_package and name not in public_names(module))]
        faults += [f"{path.relative_to(SRC)}: {module}.{name} is not public" for name in private]
        folder = ".".join(module.split(".")[:2])
        if module.count(".") > 1 and not is_package:
            twice = set(names) & set(public_names(folder))
            faults += [f"{path.relative_to(SRC)}: {name} is a public name of {folder}" for name in sorted(twice)]
    assert faults == []


def test_every_exception_for_a_deep_import_is_in_use():
    assert {module for _, module, _ in foreign_imports()} >= set(DEEP)


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_a_package_exports_its_public_names_and_has_no_logic(path):
    docstring, *statements = tree(path).body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(statement, ast.ImportFrom | ast.Assign) for statement in statements)
    bound = {
        alias.asname or alias.name for node in statements if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    bound |= {ast.unparse(node.targets[0]) for node in statements if isinstance(node, ast.Assign)} - {"__all__"}
    names = public_names(".".join(path.parent.relative_to(SRC).parts))
    assert len(names) == len(set(names))
    assert set(names) == bound


def test_files_are_read_in_one_sitting():
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert {path: lines for path, lines in long.items() if lines > MAX_FILE_LINES} == {}


@pytest.mark.medium
def test_functions_fit_on_a_screen():
    long = {
        f"{path.relative_to(ROOT)}: {node.name}": lines
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := body_lines(node)) > MAX_BODY_LINES
    }
    assert long == {}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_the_folder_map_of_the_readme_is_the_first_lines_of_the_docstrings():
    readme = (ROOT / "README.md").read_text()
    between = readme.partition("<!-- folders -->")[2].partition("<!-- /folders -->")[0]
    rows = {row for row in between.splitlines() if row.startswith("| `src/pathvlm_r1/")}
    assert rows == set(folder_map()), "the map should read:\n" + "\n".join(folder_map())


def folder_map() -> list[str]:
    """A row for every folder and module right below src/pathvlm_r1."""
    paths = [path / "__init__.py" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    paths += [path for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    rows = {house(path) + ("/" if path.name == "__init__.py" else ".py"): first_line(path) for path in paths}
    return [f"| `src/pathvlm_r1/{name}` | {line} |" for name, line in sorted(rows.items())]


def first_line(path: Path) -> str:
    return (ast.get_docstring(tree(path)) or "").partition("\n")[0]
