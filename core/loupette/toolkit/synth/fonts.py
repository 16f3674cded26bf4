"""Font files as a source of glyph masks: what each can draw, and a cache of what it drew."""

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

Mask = npt.NDArray[np.uint8]

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SIGNS = "+-*/=?×÷x!().,'–−:%"
CHINESE = "零一二三四五六七八九十百两加减乘除以等于几多少是得的壹贰叁肆伍陆柒捌玖拾〇？＝"
INDEXED = LETTERS + SIGNS + CHINESE

_SIZES = (20, 34, 56, 96)
_THUMB = 20
_MIN_ALIKE = 0.40
"""Least share of letters that must look most like the same letter of the average face; below it a
file is dingbats, barcodes or a script nobody could read."""

_COMMON = 0.3
"""Share of the faces, those most like the average one, that count as common."""

_COMMON_PICKED = 0.4
"""How often a common face is asked for: captchas are drawn in Arial more often than in scripts."""

_HEAVY = 0.25
"""Share of the faces, those of the thickest strokes, that count as heavy."""

FACES = ("any", "common", "heavy")
"""Which faces a family of captchas is set in: any, those most like the average, thick ones."""


@dataclass(frozen=True)
class Face:
    """One usable font file.

    Attributes:
        path: the file.
        family: first word of the file name; families are held out as a whole.
        covers: the characters of `INDEXED` that it draws.
        cap: height of its capitals (or digits) over the font size.
        alike: share of its letters that look most like the same letter of the average face.
        stroke: thickness of its strokes over the cap height.
    """

    path: str
    family: str
    covers: str
    cap: float
    alike: float = 0.0
    stroke: float = 0.0


@dataclass(frozen=True)
class Glyph:
    """One drawn character.

    Attributes:
        mask: uint8, (height, width), 255 inside; rows run from ascender to descender.
        baseline: row of the baseline.
        advance: pen advance in pixels.
        left: column of the pen origin.
        cap: height of capitals in pixels at this size.
    """

    mask: Mask
    baseline: int
    advance: float
    left: int
    cap: float


def family_of(path: Path) -> str:
    """The family a file belongs to, by the first word of its name."""
    return path.stem.replace("_", "-").split("-")[0].lower()


def held_out(name: str, *, share: int = 16) -> bool:
    """Whether a family or a style is kept for validation: one in `share`, by the name's CRC-32."""
    return zlib.crc32(name.encode()) % share == 0


def scan_fonts(folder: Path) -> list[Face]:
    """Look at all fonts of a folder once; the result is kept beside them in ``index.json``.

    Args:
        folder: folder of ``.ttf``, ``.otf`` and ``.ttc`` files.

    Returns:
        The faces that draw recognisable characters.
    """
    index = folder / "index.json"
    if index.exists():
        entries = json.loads(index.read_text())
        if all(entry.keys() == {field.name for field in fields(Face)} for entry in entries):
            return [Face(**entry) for entry in entries]
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".ttf", ".otf", ".ttc"))
    faces = [face for path in paths if (face := _read_face(path)) is not None]
    faces = _compare(faces)
    index.write_text(json.dumps([vars(face) for face in faces], ensure_ascii=False))
    return faces


def _read_face(path: Path) -> Face | None:
    """Characters and cap height of one file; None if it cannot be drawn with."""
    try:
        covers = _coverage(path)
        cap = _cap_height(path, covers)
    except Exception:  # foreign files fail in many ways; such a file is simply not used
        return None
    if cap < 0.1 or not covers:
        return None
    return Face(str(path), family_of(path), covers, cap, stroke=_stroke(path, covers, cap))


def _coverage(path: Path) -> str:
    """The characters of `INDEXED` in the file's character map."""
    first = 0 if path.suffix.lower() == ".ttc" else -1
    with TTFont(path, lazy=True, fontNumber=first) as font:
        known = font.getBestCmap() or {}
    return "".join(char for char in INDEXED if ord(char) in known)


def _cap_height(path: Path, covers: str) -> float:
    """Height of a capital, a digit or an ideograph over the font size."""
    font = ImageFont.truetype(str(path), 64)
    for char in "HE80三十":
        if char in covers:
            box = font.getbbox(char, anchor="ls")
            return float(box[3] - box[1]) / 64
    return 0.0


def _stroke(path: Path, covers: str, cap: float) -> float:
    """Thickness of the strokes over the cap height: ink lies a quarter of it from its edge."""
    drawn = [draw_glyph(str(path), char, 56, cap) for char in "HOnae038" if char in covers]
    masks = [np.pad(glyph.mask, 1) for glyph in drawn if glyph is not None]
    depths = [
        cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5) for mask in masks
    ]
    means = [float(depth[depth > 0].mean()) for depth in depths if depth.any()]
    return round(4 * float(np.mean(means)) / (56 * cap), 3) if means else 0.0


def _thumbnail(face: Face, char: str) -> npt.NDArray[np.float32]:
    """One glyph cut to its ink and scaled to a small unit vector."""
    glyph = draw_glyph(face.path, char, 34, face.cap)
    if glyph is None:
        return np.zeros(_THUMB * _THUMB, np.float32)
    small = Image.fromarray(glyph.mask).crop(Image.fromarray(glyph.mask).getbbox() or (0, 0, 1, 1))
    flat = np.asarray(small.resize((_THUMB, _THUMB)), np.float32).ravel()
    flat -= flat.mean()
    unit: npt.NDArray[np.float32] = flat / (np.linalg.norm(flat) + 1e-6)
    return unit


def _compare(faces: Sequence[Face]) -> list[Face]:
    """Measure how alike to others faces are, and leave out what does not look like letters."""
    latin = [face for face in faces if all(char in face.covers for char in LETTERS)]
    others = [face for face in faces if face not in latin]
    if len(latin) < 20:
        return list(faces)
    thumbs = np.stack([[_thumbnail(face, c) for c in LETTERS] for face in latin])
    best = (thumbs @ thumbs.mean(axis=0).T).argmax(axis=2)
    # Cut to its ink an "o" is an "O".
    folded = np.array([LETTERS.index(char.lower()) for char in LETTERS])
    alike = (folded[best] == folded).mean(axis=1)
    measured = [replace(f, alike=round(float(a), 3)) for f, a in zip(latin, alike, strict=True)]
    return [face for face in measured if face.alike >= _MIN_ALIKE] + others


@lru_cache(maxsize=64)
def _load(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=120_000)
def draw_glyph(path: str, char: str, size: int, cap: float) -> Glyph | None:
    """Draw one character; drawn ones are kept, since drawing costs more than all that follows.

    Args:
        path: font file.
        char: one character.
        size: font size in pixels.
        cap: the face's cap height over the font size.

    Returns:
        The glyph; None where the file draws nothing for it.
    """
    font = _load(path, size)
    try:
        x0, y0, x1, y1 = (int(v) for v in font.getbbox(char, anchor="ls"))
        advance = float(font.getlength(char))
    except OSError:
        return None
    if x1 - x0 < 1 or y1 - y0 < 1 or x1 - x0 > 4 * size or y1 - y0 > 4 * size:
        return None
    canvas = Image.new("L", (x1 - x0 + 2, y1 - y0 + 2))
    ImageDraw.Draw(canvas).text((1 - x0, 1 - y0), char, font=font, fill=255, anchor="ls")
    mask = np.asarray(canvas)
    if mask.max() < 128:
        return None
    return Glyph(mask, 1 - y0, advance, 1 - x0, cap * size)


class FontBook:
    """The fonts one drawing run uses.

    Args:
        folder: asset folder with ``fonts/latin`` and, for ideographs, ``fonts/cjk``.
        held: True for the families kept for validation, False for the others.
        rng: picks `working` faces, so that the glyph cache stays small.
        working: most faces in use at once; None for all.
    """

    def __init__(
        self, folder: Path, *, held: bool, rng: np.random.Generator, working: int | None = 500
    ) -> None:
        latin = [f for f in scan_fonts(folder / "fonts/latin") if held_out(f.family) == held]
        cjk_folder = folder / "fonts/cjk"
        self._cjk = scan_fonts(cjk_folder) if cjk_folder.exists() else []
        # Families with dozens of weights would crowd the others out: take at most three of each.
        order = [latin[i] for i in rng.permutation(len(latin))]
        taken: dict[str, int] = {}
        self._latin: list[Face] = []
        for face in order:
            taken[face.family] = taken.get(face.family, 0) + 1
            if taken[face.family] <= 3:
                self._latin.append(face)
        self._latin = self._latin[:working]
        by_likeness = sorted(self._latin, key=lambda face: -face.alike)
        self._common = by_likeness[: math.ceil(len(by_likeness) * _COMMON)]
        by_stroke = sorted(self._latin, key=lambda face: -face.stroke)
        self._heavy = by_stroke[: math.ceil(len(by_stroke) * _HEAVY)]

    def pick(self, rng: np.random.Generator, needed: str, kind: str = "any") -> Face:
        """A face that draws all characters of `needed`.

        Args:
            rng: source of the choice.
            needed: characters; ideographs are drawn from the CJK faces.
            kind: one of `FACES`; of any, common ones are picked more often.

        Raises:
            LookupError: no face has them all.
        """
        latin_only = all(ord(char) < 0x2E80 for char in needed)
        common = kind == "common" or (kind == "any" and rng.random() < _COMMON_PICKED)
        latin = self._heavy if kind == "heavy" else self._common if common else self._latin
        pool = latin if latin_only else self._cjk
        for _ in range(40):
            face = pool[int(rng.integers(len(pool)))] if pool else None
            if face is not None and all(char in face.covers for char in needed):
                return face
        for face in (*self._latin, *self._cjk):
            if all(char in face.covers for char in needed):
                return face
        raise LookupError(f"no font draws all of {needed!r}")

    def glyph(self, face: Face, char: str, height: float) -> Glyph | None:
        """Draw a character at the kept size at or just above a cap height.

        Args:
            face: from `pick`.
            char: one character.
            height: wanted cap height in pixels; scale the result by ``height / glyph.cap``.
        """
        size = next((s for s in _SIZES if s * face.cap >= height), _SIZES[-1])
        return draw_glyph(face.path, char, size, face.cap)
