"""What the phantoms' modalities know: findings, conditions, markers and grades.

A condition is a conjunction of three findings: a root finding, and two more that tell it from the three other
conditions with the same root. Every finding belongs to several conditions, so no single one decides. The combinations
are stylised: they serve to measure reading and reasoning, and are no medical claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ontology:
    """The closed world of one modality."""

    modality: str
    picture: str  # how questions call the image
    findings: Mapping[str, Mapping[str, str]]  # attribute -> phrase -> its definition
    conditions: Mapping[str, Mapping[str, str]]  # condition -> attribute -> phrase
    markers: Mapping[str, str] = field(default_factory=dict)  # condition -> immunostain
    points: Mapping[str, int] = field(default_factory=dict)  # phrase -> points towards the grade
    grades: Mapping[int, str] = field(default_factory=dict)  # total of the points -> grade

    @property
    def phrases(self) -> tuple[str, ...]:
        """Every finding phrase, in the order of the attributes."""
        return tuple(phrase for phrases in self.findings.values() for phrase in phrases)

    @property
    def scored(self) -> tuple[str, ...]:
        """The attributes that count towards the grade."""
        return tuple(name for name, phrases in self.findings.items() if any(p in self.points for p in phrases))

    def attribute(self, phrase: str) -> str:
        """The attribute that a phrase is a value of."""
        return next(name for name, phrases in self.findings.items() if phrase in phrases)

    def score(self, findings: Mapping[str, str]) -> int:
        """The grading points of a picture."""
        return sum(self.points[findings[attribute]] for attribute in self.scored)


def _tree(
    root: str,
    branches: Mapping[str, tuple[tuple[str, str], tuple[str, str], tuple[str, ...]]],
    findings: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, str]]:
    """Conditions of a two-bit table under each root finding, named in the order 00, 01, 10, 11."""
    where = {phrase: attribute for attribute, phrases in findings.items() for phrase in phrases}
    conditions: dict[str, dict[str, str]] = {}
    for phrase, (first, second, names) in branches.items():
        for index, name in enumerate(names):
            high, low = first[index // 2], second[index % 2]
            conditions[name] = {root: phrase, where[high]: high, where[low]: low}
    return conditions


_HISTOLOGY_FINDINGS = {
    "architecture": {
        "glands": "rings around a lumen",
        "nests": "round islands",
        "sheets": "an unbroken field",
    },
    "nuclei": {"uniform nuclei": "one size and shade", "pleomorphic nuclei": "many sizes and shades"},
    "mitoses": {"rare mitoses": "hardly a dark figure", "frequent mitoses": "many dark figures"},
    "necrosis": {"viable tissue": "nuclei everywhere", "necrotic debris": "a pale area without nuclei"},
    "lymphocytes": {"sparse lymphocytes": "few small blue dots", "dense lymphocytes": "clouds of small blue dots"},
    "stroma": {"loose stroma": "a pale ground", "fibrous stroma": "wavy pink bands"},
    "keratin": {"plain cytoplasm": "no layered whorl", "keratin pearls": "layered bright whorls"},
}

HISTOLOGY = Ontology(
    modality="histology",
    picture="histology image",
    findings=_HISTOLOGY_FINDINGS,
    conditions=_tree(
        "architecture",
        {
            "glands": (("uniform nuclei", "pleomorphic nuclei"), ("loose stroma", "fibrous stroma"),
                       ("adenoma", "adenosis", "serous carcinoma", "adenocarcinoma")),
            "nests": (("plain cytoplasm", "keratin pearls"), ("rare mitoses", "frequent mitoses"),
                      ("carcinoid", "melanoma", "keratoacanthoma", "squamous carcinoma")),
            "sheets": (("sparse lymphocytes", "dense lymphocytes"), ("viable tissue", "necrotic debris"),
                       ("sarcoma", "small cell carcinoma", "lymphoma", "medullary carcinoma")),
        },
        _HISTOLOGY_FINDINGS,
    ),
    markers={
        "adenoma": "CK20", "adenosis": "SOX10", "serous carcinoma": "WT1", "adenocarcinoma": "CDX2",
        "carcinoid": "synaptophysin", "melanoma": "HMB45", "keratoacanthoma": "CK5", "squamous carcinoma": "p40",
        "sarcoma": "vimentin", "small cell carcinoma": "TTF1", "lymphoma": "CD20", "medullary carcinoma": "PAX8",
    },
    points={"glands": 1, "nests": 2, "sheets": 3, "uniform nuclei": 1, "pleomorphic nuclei": 2,
            "rare mitoses": 1, "frequent mitoses": 2},
    grades={3: "grade 1", 4: "grade 2", 5: "grade 3", 6: "grade 4", 7: "grade 4"},
)  # fmt: skip

_CT_FINDINGS = {
    "density": {"solid nodule": "a bright round spot", "ground glass": "a hazy grey patch"},
    "margin": {"smooth margin": "an even outline", "spiculated margin": "rays from the outline"},
    "pleura": {"clear pleura": "dark lung to the wall", "pleural effusion": "a grey crescent at the wall"},
    "mediastinum": {"normal nodes": "a slim midline", "enlarged nodes": "knobs at the midline"},
}
CT = Ontology(
    modality="ct",
    picture="chest CT image",
    findings=_CT_FINDINGS,
    conditions=_tree(
        "density",
        {
            "solid nodule": (("smooth margin", "spiculated margin"), ("normal nodes", "enlarged nodes"),
                             ("hamartoma", "sarcoidosis", "lung cancer", "advanced lung cancer")),
            "ground glass": (("clear pleura", "pleural effusion"), ("normal nodes", "enlarged nodes"),
                             ("pneumonitis", "tuberculosis", "pneumonia", "lymphangitis")),
        },
        _CT_FINDINGS,
    ),
)  # fmt: skip

_DERMOSCOPY_FINDINGS = {
    "pattern": {"globules": "round brown dots", "network": "a brown mesh"},
    "symmetry": {"symmetric lesion": "equal halves", "asymmetric lesion": "unequal halves"},
    "veil": {"clear surface": "no blue haze", "blue veil": "a blue haze"},
    "border": {"fading border": "a soft edge", "sharp border": "a hard edge"},
}
DERMOSCOPY = Ontology(
    modality="dermoscopy",
    picture="dermoscopy image",
    findings=_DERMOSCOPY_FINDINGS,
    conditions=_tree(
        "pattern",
        {
            "globules": (("symmetric lesion", "asymmetric lesion"), ("clear surface", "blue veil"),
                         ("dermal naevus", "blue naevus", "spitz naevus", "nodular melanoma")),
            "network": (("symmetric lesion", "asymmetric lesion"), ("fading border", "sharp border"),
                        ("junctional naevus", "lentigo", "dysplastic naevus", "spreading melanoma")),
        },
        _DERMOSCOPY_FINDINGS,
    ),
)  # fmt: skip

_FUNDUS_FINDINGS = {
    "lesion": {"microaneurysms": "small red dots", "drusen": "small yellow spots"},
    "vessels": {"normal vessels": "few smooth branches", "new vessels": "a tangle of fine branches"},
    "macula": {"flat macula": "an even dark centre", "macular scar": "a pale patch in the centre"},
    "disc": {"small cup": "a narrow bright core", "large cup": "a wide bright core"},
}
FUNDUS = Ontology(
    modality="fundus",
    picture="fundus photograph",
    findings=_FUNDUS_FINDINGS,
    conditions=_tree(
        "lesion",
        {
            "microaneurysms": (("normal vessels", "new vessels"), ("flat macula", "macular scar"),
                               ("background retinopathy", "diabetic maculopathy", "proliferative retinopathy",
                                "end stage retinopathy")),
            "drusen": (("flat macula", "macular scar"), ("small cup", "large cup"),
                       ("dry degeneration", "dry degeneration with glaucoma", "wet degeneration",
                        "wet degeneration with glaucoma")),
        },
        _FUNDUS_FINDINGS,
    ),
)  # fmt: skip

_OCT_FINDINGS = {
    "layers": {"intact layers": "parallel bands", "detached layers": "a dark dome below the bands"},
    "cysts": {"compact retina": "no dark holes", "cystic spaces": "dark holes in the bands"},
    "deposits": {"clean epithelium": "a flat bright line", "epithelial deposits": "bumps under the bright line"},
    "fovea": {"foveal pit": "a dip at the surface", "filled fovea": "no dip at the surface"},
}
OCT = Ontology(
    modality="oct",
    picture="retinal OCT scan",
    findings=_OCT_FINDINGS,
    conditions=_tree(
        "layers",
        {
            "intact layers": (("compact retina", "cystic spaces"), ("foveal pit", "filled fovea"),
                              ("normal retina", "foveal hypoplasia", "retinoschisis", "macular oedema")),
            "detached layers": (("compact retina", "cystic spaces"), ("clean epithelium", "epithelial deposits"),
                                ("serous detachment", "vitelliform disease", "uveitic oedema",
                                 "neovascular membrane")),
        },
        _OCT_FINDINGS,
    ),
)  # fmt: skip

ONTOLOGIES = {ontology.modality: ontology for ontology in (HISTOLOGY, CT, DERMOSCOPY, FUNDUS, OCT)}
