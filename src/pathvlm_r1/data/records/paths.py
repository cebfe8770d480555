"""Pictures that records name: below a root, with the paths of other machines mapped, and nothing but regular files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.records.faults import RecordFault, shortened


@dataclass(frozen=True)
class ImageFolder:
    """Finds the pictures of a dataset; opens none.

    Args:
        root: relative names are below it.
        path_map: beginning of a name in the records -> what stands there on this machine, relative to root or absolute;
            the longest beginning counts.
    """

    root: Path
    path_map: Mapping[str, str] = field(default_factory=dict)
    _folders: dict[Path, dict[str, list[str]]] = field(default_factory=dict, repr=False, compare=False)

    def find(self, name: object) -> FileImage:
        """The picture that a record names.

        Raises:
            RecordFault: no text, an address, a path of another machine or out of the root, missing, or no regular file.
        """
        path = self._path(name)
        if path.is_symlink():
            self._require_inside(path, name)
        if path.is_file():
            return FileImage(path)
        if path.exists() or path.is_symlink():
            kind = "a link to nothing" if path.is_symlink() else "a folder" if path.is_dir() else "a pipe or a device"
            raise RecordFault(DefectKind.IMAGE_NOT_A_FILE, f"{path} is {kind}; put the picture in its place")
        raise self._missing(path)

    def _path(self, name: object) -> Path:
        if not isinstance(name, str) or not name.strip():
            raise RecordFault(DefectKind.MALFORMED_RECORD, f"the image is {shortened(name)}, and a path is needed")
        if "://" in name or "\0" in name:
            message = f"the image {shortened(name)} is an address; fetch it, and name the file"
            raise RecordFault(DefectKind.IMAGE_PATH, message)
        mapped = self._mapped(name.strip())
        is_mapped = any(name.strip().startswith(prefix) for prefix in self.path_map)
        if PurePosixPath(mapped).is_absolute() and not is_mapped:
            if Path(mapped).is_relative_to(self._absolute_root):
                return Path(mapped)
            prefix = "/".join(mapped.split("/")[:3])
            raise RecordFault(
                DefectKind.IMAGE_PATH,
                f"the image {shortened(name)} is a path of another place; say where its beginning is here: "
                f"'dataset.path_map={{{prefix}: FOLDER}}'",
            )
        if ".." in PurePosixPath(mapped).parts:
            message = f"the image {shortened(name)} leads out of {self.root}; put it below, and name it from there"
            raise RecordFault(DefectKind.IMAGE_PATH, message)
        return self.root / mapped

    def _mapped(self, name: str) -> str:
        fitting = [prefix for prefix in self.path_map if name.startswith(prefix)]
        if not fitting:
            return name
        prefix = max(fitting, key=len)
        here = self.path_map[prefix]
        rest = name[len(prefix) :].lstrip("/")
        return f"{Path(here).expanduser()}/{rest}" if here else rest

    @cached_property
    def _absolute_root(self) -> Path:
        return self.root.absolute()

    def _require_inside(self, path: Path, name: object) -> None:
        try:
            target = path.resolve()
        except (OSError, RuntimeError):  # a link to itself
            raise RecordFault(DefectKind.IMAGE_NOT_A_FILE, f"{path} is a link to itself; fetch the picture") from None
        if not target.is_relative_to(self.root.resolve()):
            raise RecordFault(
                DefectKind.IMAGE_NOT_A_FILE,
                f"{shortened(name)} is a link to {target}, out of {self.root}; put the picture in its place",
            )

    def _missing(self, path: Path) -> RecordFault:
        """The fault of a missing picture; one whose name differs in case alone is named."""
        if path.parent not in self._folders:
            names: dict[str, list[str]] = {}
            for sibling in path.parent.iterdir() if path.parent.is_dir() else ():
                names.setdefault(sibling.name.casefold(), []).append(sibling.name)
            self._folders[path.parent] = names
        alike = self._folders[path.parent].get(path.name.casefold())
        if alike:
            message = (
                f"{path} is missing, and there is {', '.join(alike)}: names here tell upper from lower case; rename it"
            )
            return RecordFault(DefectKind.IMAGE_NAME_CASE, message, "skip")
        return RecordFault(DefectKind.IMAGE_MISSING, f"{path} is missing; fetch it, or check dataset.root", "skip")
