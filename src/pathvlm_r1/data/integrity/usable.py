"""What a run can tell of its pictures before it begins: whole files of a size and kind that can be used."""

from __future__ import annotations

from collections.abc import Hashable

from pathvlm_r1.data.defects import Defect, ReadResult
from pathvlm_r1.data.images import BytesImage, FileImage, ImageError
from pathvlm_r1.data.integrity.keys import identity, picture_defect
from pathvlm_r1.data.sample import ImageSource


def with_usable_pictures(result: ReadResult) -> ReadResult:
    """The samples whose pictures are whole, by their first and last bytes; the others become defects.

    A picture that is damaged in its middle alone is found by `verify`, which decodes them all, or when it is loaded.
    """
    faults: dict[Hashable, ImageError | None] = {}
    kept, defects = [], list(result.defects)
    for sample in result.samples:
        found: list[Defect] = []
        for image in sample.images:
            key = identity(image)
            if key not in faults:
                faults[key] = _fault(image)
            if (fault := faults[key]) is not None:
                found.append(picture_defect(sample.sample_id, image, fault.defect, fault))
        if not found:
            kept.append(sample)
        defects += found[:1]
    return ReadResult(kept, defects)


def _fault(image: ImageSource) -> ImageError | None:
    if isinstance(image, FileImage | BytesImage):
        try:
            image.check()
        except ImageError as fault:
            return fault
    return None
