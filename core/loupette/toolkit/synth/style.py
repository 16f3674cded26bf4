"""How one drawn picture looks, as numbers and words; drawing it is the business of the other files.

A style is drawn before a pixel is: so it can be printed, kept for validation, or made by hand.
"""

from dataclasses import dataclass, replace

import numpy as np

from loupette.toolkit.synth.fonts import held_out
from loupette.toolkit.synth.recipes import RECIPES, draw_look

FILLS = {
    "solid": 0.44,
    "bold": 0.07,
    "thin": 0.02,
    "outline": 0.08,
    "lined": 0.05,
    "inline": 0.03,
    "shadow": 0.06,
    "relief": 0.08,
    "emboss": 0.02,
    "extrude": 0.02,
    "hatch": 0.02,
    "dotted": 0.02,
    "gradient": 0.04,
    "plate": 0.02,
    "broken": 0.03,
    "striped": 0.01,
    "stencil": 0.01,
    "matrix": 0.01,
    "double": 0.01,
    "soft": 0.01,
    "sketch": 0.01,
}
"""How letters are filled, and how often."""

BACKGROUNDS = {
    "white": 0.40,
    "light": 0.18,
    "mid": 0.12,
    "dark": 0.10,
    "gradient": 0.09,
    "clouds": 0.05,
    "grain": 0.04,
    "photo": 0.04,
    "tint": 0.03,
    "tiles": 0.02,
    "stripes": 0.01,
    "checks": 0.01,
    "mesh": 0.02,
    "hatch": 0.02,
}

OVERLAYS = {
    "lines": 0.22,
    "strokes": 0.12,
    "tails": 0.04,
    "curves": 0.20,
    "circles": 0.10,
    "dots": 0.16,
    "specks": 0.14,
    "grid": 0.05,
    "letters": 0.05,
    "cuts": 0.05,
    "webs": 0.04,
    "arcs": 0.05,
    "ovals": 0.05,
    "dashes": 0.05,
    "sine": 0.05,
    "wedges": 0.03,
    "zigzag": 0.03,
    "rips": 0.02,
    "through": 0.05,
    "confetti": 0.03,
    "blob": 0.02,
    "spiral": 0.01,
    "rings": 0.01,
    "bars": 0.02,
    "rays": 0.01,
    "discs": 0.02,
    "holes": 0.02,
}

WARPS = {
    "none": 0.41,
    "wave": 0.22,
    "ripple": 0.08,
    "perspective": 0.08,
    "lens": 0.06,
    "swirl": 0.03,
    "elastic": 0.12,
    "rings": 0.02,
    "bulge": 0.02,
    "rows": 0.01,
    "diffuse": 0.01,
    "split": 0.01,
    "arch": 0.02,
}

INKS = ("any", "black", "dark", "vivid")
"""Which colours letters take: any that stands out, black, dark ones, or strong hues."""

NEGATIVES = ("none", "parts", "checks")
"""What of a finished picture is inverted: nothing, one or two stripes, every other square."""

IN_RECIPE = 0.8
"""Share of the pictures with clutter that a recipe draws; in the others every attribute is drawn
for itself."""


@dataclass(frozen=True)
class Style:
    """The look of one picture.

    Attributes:
        height: canvas height in pixels.
        letter: cap height over canvas height.
        room: share of the canvas width that the text takes.
        spacing: extra advance over cap height; negative touches.
        scatter: how far letters leave their place sideways, over half their advance.
        cells: letters stand in equal cells instead of at their own advance.
        rotate: largest rotation of a letter in degrees.
        shear: largest shear of a letter, and common shear of all.
        squash: width factor of the letters.
        resize: largest relative change of one letter's size.
        lift: largest vertical shift of a letter over the free height.
        many_fonts: each letter in its own font.
        fill: a key of `FILLS`, or ``"mixed"``.
        many_inks: each letter in its own colour.
        contrast: least distance of ink from background, 0..255 in the strongest channel.
        two_sided: inks may be lighter as well as darker than the background.
        background: a key of `BACKGROUNDS`.
        overlays: keys of `OVERLAYS`, in drawing order.
        under: overlays lie under the letters instead of over them.
        ink_overlays: overlays take the colour of the letters.
        load: 0..1, how much of each overlay.
        warp: a key of `WARPS`.
        warp_strength: 0..1.
        warp_all: the warp takes the overlays along.
        hard_edges: no anti-aliasing.
        fade: letters differ in opacity.
        blur: Gaussian sigma in pixels.
        noise: Gaussian sigma in grey levels.
        rescale: picture is stored at this share of its size, then enlarged.
        jpeg: quality, 0 for none.
        colours: palette size, 0 for full colour.
        grey: the picture is grey.
        recipe: name of the family, or ``"free"``.
        ink: one of `INKS`.
        pull: 0..1, how far the corners of each letter are pulled out of place.
        lean: common shear of all letters.
        tilt: slope of the line of text, at most.
        frame: a thin border is drawn.
        negative: one of `NEGATIVES`.
        crop: largest share of each side that is cut off at the end.
        spill: how far the line may run over the sides, over the cap height.
        face: one of `loupette.toolkit.synth.fonts.FACES`.
        writes: one of `loupette.toolkit.synth.texts.WRITES`; for whoever chooses the text.
    """

    height: int
    letter: float
    room: float
    spacing: float
    scatter: float
    cells: bool
    rotate: float
    shear: float
    squash: float
    resize: float
    lift: float
    many_fonts: bool
    fill: str
    many_inks: bool
    contrast: float
    two_sided: bool
    background: str
    overlays: tuple[str, ...]
    under: bool
    ink_overlays: bool
    load: float
    warp: str
    warp_strength: float
    warp_all: bool
    hard_edges: bool
    fade: bool
    blur: float
    noise: float
    rescale: float
    jpeg: int
    colours: int
    grey: bool
    recipe: str = "free"
    ink: str = "any"
    pull: float = 0.0
    lean: float = 0.0
    tilt: float = 0.0
    frame: bool = False
    negative: str = "none"
    crop: float = 0.0
    spill: float = 0.0
    face: str = "any"
    writes: str = "any"

    @property
    def kind(self) -> str:
        """The combination by which a style is held out for validation."""
        parts = (self.recipe, self.fill, self.background, self.warp, *self.overlays)
        return "+".join(parts[self.recipe == "free" :])


def choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One key, as likely as its weight."""
    point = float(rng.random()) * sum(weights.values())
    for key, weight in weights.items():
        point -= weight
        if point < 0:
            return key
    return key


def draw_style(
    rng: np.random.Generator,
    *,
    held: bool = False,
    clean: float = 0.3,
    recipe: str | None = None,
) -> Style:
    """Draw a style at random.

    Args:
        rng: source of all choices.
        held: True for styles kept for validation, False for all others: never one for both.
        clean: share of pictures without overlays and without strong distortion.
        recipe: draw this family only, a key of `loupette.toolkit.synth.recipes.RECIPES`.
    """
    while True:
        if recipe is not None:
            style = _by_recipe(rng, recipe)
        elif float(rng.random()) < clean:
            style = _draw(rng, True)
        elif float(rng.random()) < IN_RECIPE:
            style = _by_recipe(rng, choose(rng, _RECIPE_WEIGHTS))
        else:
            style = _draw(rng, False)
        # A plain picture is too common a kind to be withheld; it is in both.
        if style.overlays == () or held_out(style.kind, share=8) == held:
            return style


_RECIPE_WEIGHTS = {name: recipe.weight for name, recipe in RECIPES.items()}


def _by_recipe(rng: np.random.Generator, name: str) -> Style:
    """A plain style with the look of one family."""
    style = replace(_draw(rng, True), recipe=name)
    return replace(style, **draw_look(rng, RECIPES[name]))  # type: ignore[arg-type]


def _draw(rng: np.random.Generator, clean: bool) -> Style:
    """All choices of one style; hardness is one number, so that hard things come together."""

    def chance(share: float) -> bool:
        return float(rng.random()) < share

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    hard = 0.0 if clean else float(rng.beta(1.2, 2.2))
    calm = chance(0.35)
    height = _height(rng)
    count = 0 if clean else 1 + int(chance(0.45 * hard + 0.25)) + int(chance(0.4 * hard))
    mixed, small = chance(0.05), chance(0.08)
    background = choose(rng, BACKGROUNDS)
    return Style(
        height=height,
        letter=max(between(0.18, 0.36) if small else between(0.34, 0.8), 10.0 / height),
        room=between(0.35, 0.75) if small else between(0.55, 1.0),
        spacing=_spacing(rng),
        scatter=between(0.1, 0.9) if chance(0.25) else 0.0,
        cells=chance(0.4),
        rotate=0.0
        if calm
        else float(rng.choice([8, 15, 25, 35, 50, 80], p=[0.3, 0.3, 0.2, 0.13, 0.05, 0.02])),
        shear=0.0 if calm else between(0.0, 0.35),
        squash=between(0.75, 1.3) if chance(0.6) else 1.0,
        resize=between(0.0, 0.25) if chance(0.5) else 0.0,
        lift=between(0.0, 0.8) if chance(0.7) else 0.0,
        many_fonts=chance(0.24),
        fill="mixed" if mixed else choose(rng, FILLS),
        many_inks=chance(0.42),
        contrast=between(40, 75) if chance(0.18) else between(75, 190),
        two_sided=chance(0.55 if background == "mid" else 0.1),
        background=background,
        overlays=tuple(choose(rng, OVERLAYS) for _ in range(count)),
        under=chance(0.25),
        ink_overlays=chance(0.45),
        load=between(0.1, 0.35) if clean else 0.15 + 0.85 * hard,
        warp=choose(rng, WARPS) if not clean or chance(0.25) else "none",
        warp_strength=between(0.1, 0.4) if clean else between(0.15, 1.0),
        warp_all=chance(0.5),
        hard_edges=chance(0.13),
        fade=chance(0.09),
        blur=between(0.4, 1.4) if chance(0.14) else 0.0,
        noise=between(3, 28) if chance(0.16) and not clean else 0.0,
        rescale=between(0.5, 0.9) if chance(0.09) else 1.0,
        jpeg=int(rng.integers(25, 96)) if chance(0.35) else 0,
        colours=int(rng.choice([4, 8, 16, 64])) if chance(0.06) else 0,
        grey=chance(0.22),
        ink=INKS[int(rng.choice(4, p=[0.6, 0.15, 0.15, 0.1]))],
        pull=between(0.1, 1.0) if chance(0.12) else 0.0,
        lean=between(0.05, 0.5) if chance(0.1) else 0.0,
        tilt=between(0.02, 0.25) if chance(0.1) else 0.0,
        frame=chance(0.08),
        negative=NEGATIVES[int(rng.choice(3, p=[0.98, 0.013, 0.007]))],
        crop=between(0.01, 0.06) if chance(0.1) else 0.0,
        spill=between(0.05, 0.25) if chance(0.06) else 0.0,
    )


def _spacing(rng: np.random.Generator) -> float:
    """Extra advance: touching, usual or far apart."""
    bands = ((-0.22, 0.04, 0.3), (0.0, 0.5, 0.6), (0.5, 1.3, 0.1))
    low, high, _ = bands[int(rng.choice(3, p=[share for *_, share in bands]))]
    return float(rng.uniform(low, high))


def _height(rng: np.random.Generator) -> int:
    """Canvas heights as captchas have them: most 30 to 60, some tiny, few large."""
    bands = ((20, 30, 0.22), (30, 45, 0.36), (45, 62, 0.30), (62, 100, 0.10), (100, 150, 0.02))
    point = float(rng.random())
    for low, high, share in bands:
        point -= share
        if point < 0:
            return int(rng.integers(low, high))
    return 50
