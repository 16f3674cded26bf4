"""Families of captchas as the world draws them: what goes together in one picture.

Drawing every attribute of a style alone rarely meets the combinations that real generators use. A
recipe names such a combination by its look; what it leaves open is drawn as for any plain picture.
They were written down from what pictures of many generators look like; no generator's code or
picture is in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

Value: TypeAlias = "float | int | bool | str | tuple[str, ...]"
Choice: TypeAlias = "Value | tuple[float, float] | list[Value]"
"""One value, the bounds of a uniform number, or a list to choose from (as often as named)."""


@dataclass(frozen=True)
class Recipe:
    """One family.

    Attributes:
        weight: how often it is drawn, against the others.
        look: attributes of `loupette.toolkit.synth.style.Style`, each with its choices.
    """

    weight: float
    look: Mapping[str, Choice] = field(default_factory=dict)


RECIPES: Mapping[str, Recipe] = {
    # Small, plain or nearly so: universities, forums, small shops.
    "plain": Recipe(0.8, {"overlays": [(), ("specks",), ("lines",)], "load": (0.05, 0.3)}),
    "small-digits": Recipe(
        5.0,
        {
            "height": (18, 34),
            "letter": (0.5, 0.95),
            "hard_edges": [True, False],
            "background": ["white", "light", "white"],
            "rotate": [0.0, 0.0, 8.0],
            "overlays": [(), ("specks",), ("specks", "lines"), ("cuts",), ("dots",)],
            "ink_overlays": [True, True, False],
            "load": (0.05, 0.5),
            "blur": 0.0,
            "ink": ["black", "dark", "any"],
            "fill": ["solid", "solid", "bold", "thin"],
            "writes": ["digits", "digits", "any"],
            "face": ["common", "any"],
        },
    ),
    "coloured-cells": Recipe(
        7.0,
        {
            "height": (26, 40),
            "letter": (0.55, 0.9),
            "cells": True,
            "spacing": (-0.15, 0.4),
            "lift": (0.3, 1.0),
            "many_fonts": [True, True, False],
            "many_inks": [True, True, False],
            "contrast": (22.0, 90.0),
            "two_sided": [True, False],
            "hard_edges": [True, True, False],
            "background": ["white", "white", "mid", "light", "dark"],
            "fill": ["solid", "solid", "solid", "bold"],
            "rotate": [0.0, 0.0, 0.0, 8.0],
            "overlays": [(), (), (), ("specks",)],
            "load": (0.05, 0.3),
            "crop": [0.0, 0.0, 0.04],
            "blur": [0.0, 0.0, 0.6],
            "writes": ["digits", "digits", "any"],
        },
    ),
    "one-hue": Recipe(
        5.0,
        {
            "height": (20, 40),
            "letter": (0.5, 0.95),
            "ink": "vivid",
            "background": ["tint", "tint", "white"],
            "overlays": [("specks", "lines"), ("specks",), ("lines",), ("curves", "specks")],
            "ink_overlays": True,
            "load": (0.2, 0.6),
            "hard_edges": [True, True, False],
            "spacing": (0.1, 0.9),
            "fill": ["solid", "thin"],
            "warp": ["none", "none", "wave"],
            "warp_strength": (0.1, 0.5),
            "contrast": (40.0, 160.0),
            "blur": [0.0, 0.0, 0.6],
            "many_inks": [False, False, True],
            "writes": ["digits", "digits", "any"],
            "face": ["common", "any"],
        },
    ),
    # Letters far apart, turned, on a wide canvas.
    "tumbled": Recipe(
        8.0,
        {
            "height": (52, 100),
            "letter": (0.24, 0.42),
            "room": (0.88, 1.05),
            "cells": True,
            "spacing": (-0.1, 0.5),
            "rotate": [90.0, 90.0, 75.0, 60.0],
            "lift": (0.3, 1.0),
            "scatter": (0.2, 0.9),
            "many_inks": [True, True, True, True, False],
            "ink": ["vivid", "vivid", "vivid", "any"],
            "contrast": (45.0, 120.0),
            "background": ["white", "tint", "light"],
            "fill": ["solid", "solid", "solid", "bold", "thin"],
            "overlays": [(), (), ("lines",), ("lines", "lines"), ("lines", "specks"), ("strokes",)],
            "ink_overlays": [True, True, False],
            "load": (0.05, 0.45),
            "shear": 0.0,
            "squash": 1.0,
            "grey": [False, False, False, False, True],
            "negative": "none",
            "blur": [0.0, 0.0, 0.0, 0.7, 1.2],
            "rescale": 1.0,
            "spill": [0.0, 0.0, 0.2],
            "writes": ["mixed", "mixed", "mixed", "any"],
            "face": ["common", "common", "common", "any"],
        },
    ),
    "scattered": Recipe(
        6.0,
        {
            "height": (56, 84),
            "letter": (0.3, 0.5),
            "room": (0.85, 1.08),
            "cells": True,
            "spacing": (0.1, 0.9),
            "rotate": [90.0, 90.0, 60.0, 40.0],
            "lift": (0.4, 1.0),
            "scatter": (0.2, 1.1),
            "many_inks": [True, True, False],
            "ink": ["vivid", "any"],
            "background": ["light", "white", "tint"],
            "fill": ["solid", "solid", "thin"],
            "overlays": [(), (), ("lines",), ("lines", "confetti"), ("dots",)],
            "load": (0.05, 0.5),
            "blur": [0.0, 0.0, 1.0, 1.5],
            "spill": [0.0, 0.2, 0.4],
            "crop": [0.0, 0.03, 0.05],
            "writes": ["mixed", "mixed", "any"],
            "face": ["common", "common", "any"],
        },
    ),
    "upright-wide": Recipe(
        0.6,
        {
            "height": (36, 60),
            "letter": (0.4, 0.6),
            "cells": True,
            "spacing": (0.4, 1.0),
            "many_inks": [True, False],
            "rotate": (10.0, 40.0),
            "overlays": [("lines",), ("dashes",)],
            "load": (0.2, 0.8),
        },
    ),
    # Ornamental letters, hollow ones, reliefs.
    "ornamental": Recipe(
        4.0,
        {
            "height": (36, 56),
            "letter": (0.5, 0.72),
            "many_inks": [True, True, False],
            "ink": ["vivid", "any"],
            "background": "white",
            "rotate": [0.0, 0.0, 8.0],
            "fill": ["solid", "solid", "inline", "relief", "lined", "outline", "plate", "emboss"],
            "overlays": [("curves", "ovals"), ("ovals",), ("curves",), ("ovals", "strokes")],
            "load": (0.1, 0.45),
            "fade": [False, False, True],
            "many_fonts": False,
            "spacing": (-0.12, 0.35),
            "writes": ["mixed", "upper", "any"],
        },
    ),
    "outlines": Recipe(
        5.0,
        {
            "height": (36, 60),
            "letter": (0.5, 0.8),
            "fill": ["relief", "relief", "relief", "outline", "lined", "emboss"],
            "ink": ["black", "vivid", "any"],
            "many_inks": [True, False],
            "background": ["white", "white", "light", "tint", "mid"],
            "overlays": [("curves",), ("curves", "curves"), ("curves",), ("lines",), ()],
            "load": (0.1, 0.5),
            "spacing": (-0.05, 0.5),
            "rotate": [0.0, 8.0, 15.0],
            "contrast": (45.0, 190.0),
            "writes": ["mixed", "mixed", "any"],
            "face": ["common", "any", "heavy"],
        },
    ),
    "hollow-crossed": Recipe(
        1.5,
        {
            "height": (36, 70),
            "letter": (0.5, 0.75),
            "fill": ["outline", "outline", "sketch"],
            "spacing": (-0.25, 0.1),
            "ink_overlays": True,
            "many_inks": [False, True],
            "overlays": [("lines",), ("strokes",), ("lines", "lines"), ("curves",)],
            "load": (0.15, 0.5),
            "rotate": (5.0, 20.0),
        },
    ),
    "confetti-letters": Recipe(
        4.0,
        {
            "height": (32, 50),
            "letter": (0.5, 0.75),
            "many_inks": True,
            "background": "white",
            "fill": ["solid", "outline", "bold", "lined"],
            "many_fonts": [False, True],
            "overlays": [("lines",), ("lines", "specks"), ("dashes", "specks"), ("lines", "dots")],
            "load": (0.2, 0.7),
            "jpeg": [0, 60, 75, 90],
            "rotate": (0.0, 20.0),
            "writes": ["mixed", "any"],
        },
    ),
    # One ink for letters and clutter.
    "knotted": Recipe(
        4.0,
        {
            "height": (40, 70),
            "letter": (0.4, 0.62),
            "lift": (0.5, 1.0),
            "many_inks": False,
            "ink": ["any", "dark", "black"],
            "background": ["dark", "white", "white"],
            "fill": ["bold", "solid"],
            "ink_overlays": True,
            "load": (0.3, 0.9),
            "overlays": [("ovals", "lines"), ("ovals", "arcs", "lines"), ("arcs", "strokes")],
            "rotate": (0.0, 25.0),
            "jpeg": [0, 60, 75],
            "spacing": (-0.05, 0.25),
            "face": ["heavy", "common", "any"],
            "writes": ["upper", "upper", "any"],
        },
    ),
    "brushed": Recipe(
        3.0,
        {
            "height": (30, 50),
            "letter": (0.42, 0.65),
            "spacing": (-0.3, 0.0),
            "ink": "black",
            "lean": (0.0, 0.55),
            "squash": (0.65, 1.1),
            "background": ["gradient", "light", "white"],
            "overlays": [("wedges",), ("wedges", "wedges"), ("wedges", "strokes")],
            "ink_overlays": True,
            "load": (0.2, 0.7),
            "many_inks": False,
            "warp": ["wave", "none"],
            "warp_strength": (0.2, 0.7),
            "tilt": (0.0, 0.25),
            "fill": ["solid", "bold"],
            "face": ["common", "any"],
            "writes": ["digits", "digits", "any"],
        },
    ),
    "zigzag": Recipe(
        5.0,
        {
            "height": (44, 64),
            "letter": (0.42, 0.7),
            "room": (0.5, 0.9),
            "frame": [True, False],
            "spacing": (-0.12, 0.12),
            "ink": ["black", "black", "dark"],
            "many_inks": False,
            "background": ["gradient", "gradient", "white", "tint"],
            "fill": ["solid", "shadow", "shadow", "shadow"],
            "warp": ["rings", "rings", "wave", "wave", "none"],
            "warp_strength": (0.3, 1.0),
            "overlays": [("zigzag",), ("zigzag", "zigzag"), ("rips",), ()],
            "ink_overlays": [True, True, False],
            "load": (0.2, 0.8),
            "jpeg": [0, 75, 90],
            "face": ["heavy", "common", "common", "any"],
            "writes": ["lower", "lower", "any"],
        },
    ),
    "fisheye": Recipe(
        2.5,
        {
            "height": (44, 64),
            "letter": (0.42, 0.7),
            "room": (0.5, 0.9),
            "frame": [True, False],
            "warp": ["bulge"],
            "warp_strength": (0.3, 1.0),
            "warp_all": [True, True, False],
            "spacing": (-0.1, 0.15),
            "ink": ["black", "dark", "any"],
            "many_inks": False,
            "background": ["gradient", "white", "tint"],
            "under": True,
            "overlays": [("grid",), ("grid",), ("blob", "grid"), ("curves",)],
            "load": (0.2, 0.9),
            "jpeg": [0, 75, 90],
            "face": ["heavy", "common", "common", "any"],
            "writes": ["lower", "lower", "any"],
        },
    ),
    "pressed": Recipe(
        6.0,
        {
            "height": (36, 70),
            "letter": (0.45, 0.72),
            "spacing": (-0.34, -0.02),
            "rotate": (0.0, 16.0),
            "resize": (0.05, 0.25),
            "many_inks": [False, False, True],
            "background": ["white", "light"],
            "fill": ["solid", "solid", "solid", "bold"],
            "overlays": [(), (), (), ("lines",)],
            "lift": (0.0, 0.5),
            "load": (0.05, 0.3),
            "room": (0.6, 1.0),
            "hard_edges": [False, False, True],
            "face": ["heavy", "heavy", "any"],
            "writes": ["words", "words", "any"],
            "cells": False,
        },
    ),
    # Each letter pulled out of shape.
    "pulled": Recipe(
        5.0,
        {
            "height": (36, 90),
            "letter": (0.45, 0.8),
            "pull": (0.3, 1.0),
            "rotate": (5.0, 35.0),
            "spacing": (-0.25, 0.3),
            "many_inks": False,
            "contrast": (50.0, 150.0),
            "background": ["light", "light", "tint", "white"],
            "fill": ["solid", "solid", "bold"],
            "overlays": [
                ("dots", "arcs"),
                ("dots", "arcs"),
                ("arcs",),
                ("dots",),
                ("curves", "dots"),
            ],
            "ink_overlays": [True, False],
            "load": (0.1, 0.55),
            "blur": (0.0, 1.2),
            "face": ["common", "common", "any"],
        },
    ),
    "noisy-scan": Recipe(
        5.0,
        {
            "height": (50, 84),
            "letter": (0.36, 0.6),
            "pull": (0.3, 1.0),
            "ink": ["black", "dark"],
            "grey": True,
            "noise": (0.0, 60.0),
            "blur": (0.2, 1.6),
            "background": ["white", "light"],
            "overlays": [("through",), ("through",), ("strokes",), ()],
            "ink_overlays": True,
            "load": (0.05, 0.6),
            "many_inks": False,
            "many_fonts": [False, True],
            "fill": ["solid", "thin"],
            "spacing": (-0.05, 0.4),
            "face": ["common", "common", "any"],
            "writes": ["lower", "upper", "any"],
        },
    ),
    # Warped lines of text.
    "tailed": Recipe(
        5.0,
        {
            "height": (36, 64),
            "letter": (0.4, 0.7),
            "room": (0.5, 0.92),
            "frame": [True, False],
            "warp": ["ripple", "wave", "rows", "elastic", "none"],
            "warp_all": [True, False],
            "warp_strength": (0.3, 1.0),
            "spacing": (-0.12, 0.2),
            "many_inks": False,
            "ink": ["black", "black", "dark", "any"],
            "background": ["gradient", "gradient", "white", "light"],
            "fill": ["solid", "bold", "shadow", "shadow", "soft"],
            "overlays": [("tails",)],
            "ink_overlays": [True, True, True, False],
            "load": (0.1, 0.8),
            "face": ["heavy", "common", "common", "any"],
            "writes": ["lower", "lower", "any"],
        },
    ),
    "wavy-line": Recipe(
        1.0,
        {
            "height": (34, 64),
            "letter": (0.45, 0.7),
            "warp": ["wave", "elastic"],
            "warp_all": [True, False],
            "warp_strength": (0.4, 1.0),
            "background": ["light", "tint", "white"],
            "blur": (0.0, 0.9),
            "overlays": [("lines",), ("strokes",), ("lines", "strokes"), ()],
            "load": (0.1, 0.6),
            "spacing": (-0.1, 0.25),
            "many_inks": False,
            "ink": ["dark", "any"],
        },
    ),
    "stretched-noise": Recipe(
        0.8,
        {
            "height": (44, 90),
            "letter": (0.35, 0.6),
            "warp": ["elastic", "wave", "swirl"],
            "warp_strength": (0.5, 1.0),
            "background": ["light", "mid", "gradient"],
            "overlays": [("lines", "dots"), ("curves",), ("dots",), ("lines", "specks")],
            "load": (0.2, 0.7),
            "ink": ["dark", "any"],
            "many_inks": False,
        },
    ),
    "wobbly": Recipe(
        0.9,
        {
            "height": (40, 80),
            "letter": (0.4, 0.65),
            "warp": ["ripple", "rings", "diffuse", "wave"],
            "warp_strength": (0.4, 1.0),
            "background": "white",
            "many_inks": [False, True],
            "ink": ["dark", "any"],
            "overlays": [(), ("curves",), ("strokes",)],
            "load": (0.1, 0.5),
            "spacing": (-0.2, 0.2),
        },
    ),
    "book-scan": Recipe(
        0.9,
        {
            "height": (40, 70),
            "letter": (0.45, 0.7),
            "spacing": (-0.3, -0.02),
            "ink": "black",
            "background": "white",
            "warp": ["wave", "elastic", "arch"],
            "warp_strength": (0.4, 1.0),
            "overlays": [(), ("through",), ("blob",), ("arcs",)],
            "ink_overlays": True,
            "many_inks": False,
            "load": (0.1, 0.6),
            "fill": ["solid", "bold", "broken"],
        },
    ),
    "sheared-rows": Recipe(
        0.6,
        {
            "height": (30, 80),
            "warp": "rows",
            "warp_strength": (0.3, 1.0),
            "many_inks": [True, False],
            "overlays": [("strokes",), (), ("through",)],
            "load": (0.1, 0.5),
            "background": "white",
            "letter": (0.45, 0.75),
        },
    ),
    "arched": Recipe(0.5, {"warp": "arch", "warp_strength": (0.4, 1.0), "load": (0.1, 0.5)}),
    "split": Recipe(
        0.5,
        {
            "warp": "split",
            "warp_strength": (0.3, 1.0),
            "letter": (0.5, 0.75),
            "spacing": (-0.1, 0.3),
        },
    ),
    # Clutter of one kind.
    "many-dashes": Recipe(
        0.9,
        {
            "height": (30, 70),
            "letter": (0.5, 0.8),
            "overlays": [("dashes",), ("dashes", "dashes")],
            "many_inks": [True, False],
            "background": ["white", "light", "tint"],
            "load": (0.3, 1.0),
            "rotate": [0.0, 0.0, 15.0],
        },
    ),
    "many-ovals": Recipe(
        0.7,
        {
            "height": (30, 70),
            "letter": (0.5, 0.8),
            "overlays": [("ovals",), ("circles", "ovals")],
            "many_inks": [True, False],
            "background": ["white", "light"],
            "load": (0.3, 1.0),
        },
    ),
    "sine-through": Recipe(
        0.9,
        {
            "height": (34, 64),
            "letter": (0.45, 0.7),
            "rotate": (10.0, 40.0),
            "spacing": (0.0, 0.6),
            "overlays": [("letters", "sine"), ("sine",), ("letters",), ("specks", "sine")],
            "ink_overlays": [True, True, False],
            "background": ["light", "tint", "white"],
            "load": (0.2, 0.8),
            "many_inks": [False, True],
        },
    ),
    "letters-behind": Recipe(
        0.7,
        {
            "height": (36, 80),
            "letter": (0.45, 0.7),
            "under": True,
            "load": (0.3, 1.0),
            "overlays": [("letters",), ("letters", "curves"), ("letters", "circles")],
            "many_inks": [True, False],
            "rotate": (0.0, 35.0),
        },
    ),
    "smoothed-small": Recipe(
        0.9,
        {
            "height": (20, 40),
            "letter": (0.5, 0.8),
            "rotate": (10.0, 40.0),
            "blur": (0.3, 0.9),
            "overlays": [("dots", "arcs"), ("arcs",), ("dots",), ("specks", "lines")],
            "ink_overlays": True,
            "load": (0.1, 0.6),
            "background": ["white", "light"],
            "many_inks": False,
            "spacing": (-0.05, 0.4),
        },
    ),
    "spiral": Recipe(
        0.5,
        {
            "height": (26, 56),
            "letter": (0.35, 0.6),
            "overlays": [("spiral",), ("grid",), ("rings",)],
            "under": [True, True, False],
            "frame": [True, False],
            "background": ["light", "tint"],
            "load": (0.3, 1.0),
            "scatter": (0.0, 0.4),
        },
    ),
    "bars": Recipe(
        0.5,
        {
            "overlays": [("bars",), ("bars", "lines")],
            "ink_overlays": [True, False],
            "load": (0.2, 0.8),
            "letter": (0.5, 0.75),
            "height": (36, 64),
        },
    ),
    "webbed": Recipe(0.6, {"overlays": [("webs",), ("rays",), ("rings",)], "load": (0.2, 0.8)}),
    "grainy": Recipe(
        0.9,
        {
            "noise": (15.0, 55.0),
            "overlays": [("specks",), (), ("specks", "curves")],
            "load": (0.3, 1.0),
            "letter": (0.45, 0.75),
            "warp": ["none", "wave", "diffuse"],
            "warp_strength": (0.2, 0.7),
            "background": ["white", "light", "mid", "grain"],
        },
    ),
    # Patterns behind or through the letters.
    "hatched": Recipe(
        4.0,
        {
            "height": (36, 64),
            "letter": (0.24, 0.5),
            "room": (0.45, 0.9),
            "background": "hatch",
            "lean": (0.0, 0.6),
            "overlays": [("confetti",), ("confetti",), ("specks",), ("lines",)],
            "load": (0.2, 0.8),
            "fill": ["hatch", "solid", "solid"],
            "tilt": (0.0, 0.15),
            "warp": ["perspective", "wave", "none"],
            "warp_strength": (0.2, 0.9),
            "jpeg": [0, 75, 90],
            "many_inks": False,
            "spacing": (-0.1, 0.15),
            "face": ["common", "any"],
            "writes": ["numbers", "digits", "any"],
        },
    ),
    "patterned": Recipe(
        0.9,
        {
            "background": ["tiles", "stripes", "checks", "mesh", "hatch"],
            "contrast": (90.0, 190.0),
            "overlays": [(), ("lines",), ("dots",)],
            "load": (0.1, 0.4),
            "letter": (0.5, 0.75),
        },
    ),
    "inverted-parts": Recipe(
        0.7,
        {
            "negative": ["parts", "parts", "checks"],
            "overlays": [(), (), ("lines",)],
            "background": ["white", "light", "dark"],
            "letter": (0.5, 0.75),
            "height": (36, 64),
            "ink": ["black", "dark", "any"],
            "many_inks": False,
            "fill": ["solid", "bold"],
            "contrast": (140.0, 200.0),
            "load": (0.2, 0.8),
        },
    ),
    "striped": Recipe(
        0.7,
        {
            "fill": ["striped", "hatch", "stencil", "striped"],
            "letter": (0.55, 0.8),
            "height": (36, 64),
            "overlays": [(), ("lines",)],
            "load": (0.1, 0.4),
            "contrast": (100.0, 190.0),
        },
    ),
    "dot-matrix": Recipe(
        1.5,
        {
            "fill": ["matrix", "matrix", "dotted"],
            "height": (34, 84),
            "letter": (0.5, 0.75),
            "overlays": [("discs", "sine"), ("discs",), (), ("sine",)],
            "ink_overlays": True,
            "many_inks": False,
            "warp": ["wave", "none"],
            "warp_strength": (0.2, 0.8),
            "load": (0.1, 0.6),
            "background": ["white", "light", "dark"],
        },
    ),
    "ghosted": Recipe(
        0.7,
        {
            "fill": ["double", "soft", "shadow"],
            "letter": (0.5, 0.75),
            "overlays": [(), ("curves",), ("dots",)],
            "load": (0.1, 0.5),
            "contrast": (90.0, 190.0),
        },
    ),
    "neon": Recipe(
        0.6,
        {
            "background": ["dark"],
            "ink": ["vivid", "any"],
            "fill": ["solid", "shadow", "outline", "soft"],
            "overlays": [(), ("curves",), ("lines",), ("specks",)],
            "load": (0.1, 0.6),
            "many_inks": [True, False],
        },
    ),
    "over-photo": Recipe(
        0.9,
        {
            "background": "photo",
            "fill": ["solid", "lined", "shadow", "bold"],
            "contrast": (110.0, 200.0),
            "overlays": [(), (), ("lines",)],
            "load": (0.1, 0.4),
            "letter": (0.4, 0.7),
        },
    ),
    "forum": Recipe(
        0.8,
        {
            "many_fonts": True,
            "many_inks": [True, False],
            "fill": ["shadow", "solid", "emboss"],
            "background": ["tiles", "photo", "clouds", "gradient", "grain"],
            "resize": (0.1, 0.25),
            "rotate": (0.0, 25.0),
            "overlays": [(), ("lines",), ("dots",)],
            "load": (0.1, 0.5),
        },
    ),
    "worn": Recipe(
        0.6,
        {
            "fill": ["broken", "broken", "thin"],
            "overlays": [("cuts",), ("holes",), ("holes", "specks")],
            "load": (0.2, 0.7),
            "letter": (0.55, 0.8),
        },
    ),
    "collage": Recipe(
        0.6,
        {
            "fill": "mixed",
            "many_fonts": True,
            "many_inks": True,
            "resize": (0.1, 0.3),
            "rotate": (0.0, 25.0),
            "overlays": [(), ("lines",), ("dots",)],
            "load": (0.1, 0.5),
        },
    ),
    "large": Recipe(
        0.5,
        {
            "height": (84, 150),
            "letter": (0.3, 0.6),
            "overlays": [("strokes",), ("curves", "dots"), ()],
            "load": (0.1, 0.6),
        },
    ),
    "tiny": Recipe(
        0.5,
        {
            "height": (16, 24),
            "letter": (0.6, 0.9),
            "overlays": [(), ("specks",)],
            "load": (0.05, 0.3),
            "blur": 0.0,
            "rotate": 0.0,
        },
    ),
}


def draw_look(rng: np.random.Generator, recipe: Recipe) -> dict[str, Value]:
    """Choose a value for each attribute that a recipe names.

    Args:
        rng: source of the choices.
        recipe: of what to choose.

    Returns:
        Attributes of a `Style` with their values.
    """
    return {name: _draw_value(rng, choice) for name, choice in recipe.look.items()}


def _draw_value(rng: np.random.Generator, choice: Choice) -> Value:
    if isinstance(choice, list):
        return choice[int(rng.integers(len(choice)))]
    if isinstance(choice, tuple) and len(choice) == 2 and not isinstance(choice[0], str):
        low, high = choice
        if isinstance(low, int) and isinstance(high, int):
            return int(rng.integers(low, high + 1))
        return float(rng.uniform(float(low), float(high)))
    return choice  # a tuple of words is one value
